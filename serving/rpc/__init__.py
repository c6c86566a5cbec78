"""The gRPC server: calls to jobs and their events back to messages."""
