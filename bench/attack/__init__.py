"""Attacks on a server that this machine runs for itself: hostile messages, damaged files.

    python -m stemline.bench.attack --messages 100000 --containers 10000

Nothing leaves the machine: the server is started on loopback, attacked, and ended. Seeded, so that
what failed comes again.
"""
