"""Trained weights to verified artifacts; the only folder that needs torch."""
