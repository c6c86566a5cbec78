"""All that one kind of network has of its own: one folder a family, one registry line each."""
