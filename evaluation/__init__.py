"""How good an artifact is: parity with PyTorch; SI-SDR and scores of beats on held-out songs."""
