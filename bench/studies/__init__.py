"""What was measured once: each file a program of its own, its figures in docs/."""
