"""What server and client share: jobs and their events ↔ the messages of the proto."""
