"""The gRPC client; it needs nothing of the server."""
