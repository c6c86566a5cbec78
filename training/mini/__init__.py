"""`mini`, the small separator that ships with stemline: its configuration, weights and training."""
