"""How good it is: parity with PyTorch, SI-SDR of stems, scores of beats, on held-out songs."""
