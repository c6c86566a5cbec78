"""The networks in the files of an installed madmom, read without running anything of it."""
