"""The `stemline` command: one file a verb."""
