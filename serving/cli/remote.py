"""A server that does the work of `separate` or `beats`, and what cannot be chosen with one."""

from dataclasses import dataclass
from pathlib import Path

from stemline.errors import RequestError

from ..client.client import StemlineClient
from ..library import EngineOptions


@dataclass(frozen=True)
class ServerOptions:
    """The server that was asked for, and how to reach it."""

    address: str
    """HOST:PORT; empty where the work is done here."""
    tls_ca: Path | None
    token_file: Path | None

    def connect(self) -> StemlineClient:
        """A client of the server; the first call connects. Raises OSError for unreadable files."""
        return StemlineClient(
            self.address,
            tls_ca=None if self.tls_ca is None else self.tls_ca.read_bytes(),
            token=None if self.token_file is None else self.token_file.read_text().strip(),
        )

    def check_engines(self, engines: EngineOptions, flags: str) -> None:
        """Raise RequestError where a server is named and `engines`, which it chooses, are too.

        `flags` names the options of the command that set them.
        """
        if self.address and engines != EngineOptions():
            raise RequestError(
                "server",
                f"{flags} are the server's to choose; give them to stemline serve",
            )
