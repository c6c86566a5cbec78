"""The band's instruments: each renders its part of a score as dry stereo."""
