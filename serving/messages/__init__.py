"""What server and client share: the proto's messages to and from the dataclasses of jobs."""
