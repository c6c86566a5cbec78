"""The options of `stemline serve`: unset, each is the environment's or the server's own."""

from pathlib import Path
from typing import Annotated

import typer

from stemline.engines import device_names

Models = Annotated[
    str | None,
    typer.Option(help="Loaded at the start, by commas; the first of each kind is the default."),
]
Host = Annotated[str | None, typer.Option(help="127.0.0.1 if unset.")]
Port = Annotated[int | None, typer.Option(help="8500 if unset; 0 takes a free one.")]
Artifacts = Annotated[
    Path | None,
    typer.Option(help="artifacts/, the user's data folder and what ships with stemline if unset."),
]
Device = Annotated[str | None, typer.Option(help=f"{device_names()}.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads in one operation.")]
BatchSize = Annotated[int | None, typer.Option(help="Chunks run at once.")]
AllowUntrained = Annotated[
    bool | None,
    typer.Option("--allow-untrained", help="Serve random weights too: noise, not stems."),
]

MaxStreams = Annotated[int | None, typer.Option(help="Calls at once; 64 if unset.")]
MaxUploadMb = Annotated[float | None, typer.Option(help="Of one call, 10⁶ bytes.")]
MaxAudioS = Annotated[float | None, typer.Option(help="Of one call, seconds.")]
MaxBeatsS = Annotated[
    float | None, typer.Option(help="The same where beats are found; 1200 if unset.")
]
MaxBeatsTotalS = Annotated[
    float | None,
    typer.Option(
        help="Of all calls at once where beats are found, seconds: 8 to 16 MB of memory a "
        "minute beside the network's own; 7200 if unset, 1 to 2 GB."
    ),
]
MaxMemoryMb = Annotated[
    float | None,
    typer.Option(
        help="Audio and stems in memory of all calls at once, 10⁶ bytes; half of the machine's if "
        "unset."
    ),
]
MaxDiskMb = Annotated[
    float | None,
    typer.Option(
        help="Temporary files of all calls at once, 10⁶ bytes; half of what is free if unset."
    ),
]
IdleS = Annotated[
    float | None, typer.Option(help="Wait for a client's next message, seconds; 60 if unset.")
]
UnreadS = Annotated[
    float | None,
    typer.Option(
        help="Wait for a client to read a response, seconds; four times --idle-s if unset."
    ),
]
MinBytesS = Annotated[
    float | None,
    typer.Option(help="The least a client has to send, bytes a second; 2000 if unset, 0 for none."),
]
GraceS = Annotated[
    float | None,
    typer.Option(help="What accepted calls get to finish on SIGTERM; no limit if unset."),
]

TlsCert = Annotated[Path | None, typer.Option(help="Server certificate, PEM.")]
TlsKey = Annotated[Path | None, typer.Option(help="Its key, PEM.")]
TlsClientCa = Annotated[
    Path | None, typer.Option(help="Clients must be signed by this authority, PEM.")
]
TokenFile = Annotated[Path | None, typer.Option(help="Holds the bearer token.")]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Listen beyond loopback without TLS.")
]
Reflection = Annotated[bool | None, typer.Option(help="gRPC reflection; on.")]
