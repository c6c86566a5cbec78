"""What server and client agree on besides the proto."""

REASON_KEY = "stemline-error"
"""Trailing metadata of a refused call: the error's name, as in its google.rpc.ErrorInfo. Our client
reads it here, for the messages of google.rpc come with the `serve` extra alone."""
MAX_DATA_BYTES = 1 << 19
"""The most bytes of audio or of a stem that one message carries, in either direction."""
