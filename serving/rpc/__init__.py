"""The gRPC server: calls become jobs, and their events become messages."""
