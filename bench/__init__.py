"""What it costs: time, memory and fidelity, measured side by side."""
