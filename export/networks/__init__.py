"""One network a file, written for inference and export."""
