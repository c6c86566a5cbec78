"""What did the work, as every summary reports it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RunInfo:
    """The model that ran, and on what; its fields are keys of the JSON, in this order."""

    model: str
    artifact: str
    """Empty until a server has accepted a call: only then it says what it runs."""
    artifact_sha256: str
    provider: str
    device: str
