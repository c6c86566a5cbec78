"""What server and client agree on besides the proto."""

REASON_KEY = "stemline-error"
"""Trailing metadata of a refused call: the error's name, as in its google.rpc.ErrorInfo. Our client
reads it here, for the messages of google.rpc come with the `serve` extra alone."""
MAX_DATA_BYTES = 1 << 19
"""Of one message, in either direction."""
