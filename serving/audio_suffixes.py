"""The names of audio files; imports nothing, so that asking for help does not wait."""

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".aifc", ".w64", ".rf64", ".caf"}
)
"""What libsndfile reads by these names; a folder of stems may hold anything else, too."""
