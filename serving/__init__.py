"""From a request to a response: in process or over gRPC."""
