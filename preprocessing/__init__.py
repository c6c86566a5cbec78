"""Audio to the arrays that networks take in."""
