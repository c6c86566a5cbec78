"""What a network gives back, to stems."""
