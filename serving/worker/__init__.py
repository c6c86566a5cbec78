"""The worker: requests as lines of JSON on standard input, answers on standard output."""
