"""The fixtures of export, which these tests share."""

from export_fixtures import cache, checkpoint, config, server, short_songs, yaml_file

__all__ = ["cache", "checkpoint", "config", "server", "short_songs", "yaml_file"]
