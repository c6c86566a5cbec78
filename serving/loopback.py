"""Which addresses no other machine reaches."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host, IPv6 with or without brackets, is surely this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # a name: what it resolves to may change
