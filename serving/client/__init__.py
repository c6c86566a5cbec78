"""The gRPC client: separators and beat trackers of a server, used like local ones."""
