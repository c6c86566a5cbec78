"""Audio to what a network takes in."""
