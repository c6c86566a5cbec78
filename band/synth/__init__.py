"""The band's instruments: each turns its part of a score into dry stereo."""
