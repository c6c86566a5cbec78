"""The outputs of networks to stems, beats, sections, and files of them."""
