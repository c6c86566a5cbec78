"""The Demucs family: HTDemucs and HDemucs, alone or in bags."""
