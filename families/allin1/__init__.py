"""All-In-One: beats, downbeats and sections from the spectrograms of stems."""
