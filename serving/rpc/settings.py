"""A server's settings: each is a flag of `stemline serve` and a `STEMLINE_*` variable."""

from pathlib import Path
from typing import Annotated

from stemline.errors import MissingExtraError, SettingsError

from ..loopback import is_loopback

try:
    from pydantic import Field, ValidationError, field_validator
    from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
except ImportError as error:
    raise MissingExtraError("pydantic-settings", "serve") from error

_ENV_PREFIX = "STEMLINE_"


class ServerSettings(BaseSettings):
    """The settings of one server; those that are not passed come from the environment."""

    model_config = SettingsConfigDict(env_prefix=_ENV_PREFIX, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(8500, ge=0, le=65535)
    """The TCP port; 0 for any free one."""

    artifacts: Path | None = None
    """The folder of the exported models; None for those of `artifact_folders`."""
    models: Annotated[tuple[str, ...], NoDecode] = ()
    """Models to load before the server is ready, comma-separated; empty for all. The first that
    separates and the first that finds beats are the defaults."""
    device: str = "auto"
    threads: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    allow_untrained: bool = False

    max_streams: int = Field(64, ge=1)
    """Streaming calls at once; more are refused."""
    max_upload_mb: float = Field(2048, gt=0)
    """The largest upload of one call, in units of 10⁶ bytes."""
    max_audio_s: float = Field(4 * 3600, gt=0)
    """The longest recording of one call, in seconds."""
    max_beats_s: float = Field(1200, gt=0)
    """The longest recording of one call that finds beats, in seconds: its network takes the whole
    recording at once, with 0.2 GB or more for every minute."""
    max_beats_total_s: float = Field(7200, gt=0)
    """The recordings of all calls under way that find beats, together, in seconds: each keeps the
    network's inputs until it ends, 8 to 16 MB for every minute. So two hours are 1 to 2 GB."""
    max_memory_mb: float | None = Field(None, gt=0)
    """What all calls together hold in memory, in units of 10⁶ bytes: chunks and stems on their way,
    audio that is kept to be read twice, the inputs of beat networks. Not the engines and what they
    take while they run. None for half of what the machine, or the container, has."""
    max_disk_mb: float | None = Field(None, gt=0)
    """The temporary files of all calls together, in units of 10⁶ bytes: files that were sent and
    stems that are sent as files. None for half of what the disk has free at the start."""
    max_message_mb: float = Field(4.2, gt=0.6, le=2000)
    """The largest message, in units of 10⁶ bytes; audio is best sent in messages of 512 KiB."""
    idle_s: float = Field(60, gt=0, le=86_400)
    """How long, in seconds, a call may send nothing while the server waits for its next message.
    Time in which the server is busy, and asks for none, does not count. A call that does not read
    ends when a response has waited four times as long."""
    unread_s: float | None = Field(None, gt=0, le=86_400)
    """How long, in seconds, a response may wait for the client to read it; None for four times
    `idle_s`, see `unread.py`."""
    min_bytes_s: float = Field(2000, ge=0, le=1e6)
    """The least that a client has to send, in bytes a second, while the server waits for it; 0 for
    no such limit. One that sends less may go on for `idle_s` in all. Music of 16 kbit/s is 2000."""
    grace_s: float | None = Field(None, ge=0, allow_inf_nan=False)
    """How long, in seconds, accepted calls may still run once the server is to stop; None for as
    long as they take."""

    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    """Clients must show a certificate signed by this authority."""
    token_file: Path | None = None
    """Clients must send its content as a bearer token."""
    insecure: bool = False
    """Listen without TLS on an address that other machines reach."""
    reflection: bool = True

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @property
    def max_upload_bytes(self) -> int:
        """`max_upload_mb` in bytes."""
        return round(self.max_upload_mb * 1e6)


def load_settings(**flags: object) -> ServerSettings:
    """The settings of `flags`, the environment's for the rest, checked together.

    A flag that is None is left to the environment. Raises SettingsError.
    """
    try:
        settings = ServerSettings(**{k: v for k, v in flags.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise SettingsError(
            f"{_flag(name)} ({_ENV_PREFIX}{name.upper()}): {first['msg']}; got {first['input']!r}"
        ) from error
    check_settings(settings)
    return settings


def check_settings(settings: ServerSettings) -> None:
    """Raise SettingsError when the settings do not fit together or a file they name is missing."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("--tls-cert and --tls-key belong together; give both or neither")
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise SettingsError("--tls-client-ca needs TLS: give --tls-cert and --tls-key too")
    if settings.max_beats_total_s < settings.max_beats_s:
        raise SettingsError(
            f"--max-beats-total-s {settings.max_beats_total_s:g} is less than one call may send, "
            f"--max-beats-s {settings.max_beats_s:g}"
        )
    for name in ("tls_cert", "tls_key", "tls_client_ca", "token_file"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            raise SettingsError(f"{_flag(name)}: {path} is no file")
    if settings.tls_cert is None and not settings.insecure and not is_loopback(settings.host):
        raise SettingsError(
            f"--host {settings.host} is reached by other machines and there is no TLS; give "
            "--tls-cert and --tls-key, or --insecure when something before it encrypts"
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
