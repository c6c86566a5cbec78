"""Every error that stemline raises on purpose: one tree, each with its exit code and gRPC status.

StemlineError
├── AudioError(ValueError)               the audio cannot be read, or its samples are not numbers
├── EncodingError(ValueError)            no file of this format can be written
├── OverlapError(ValueError)             the overlap does not fit the model's chunks
├── RequestError(ValueError)             a parameter is wrong; `field` names it
├── WrongModelError(ValueError)          a beat model where stems are wanted, or the reverse
├── UnknownModelError(LookupError)       no model, artifact or row of the table has this name
├── UnknownStemError(LookupError)        the model has no such stem
├── UntrainedError(RuntimeError)         random weights, which nobody allowed
├── ArtifactError(ValueError)            the file is no artifact of ours, or does not fit
│   └── MissingNetworkError              a bag lacks a network that the stems need
├── MissingExtraError(ImportError)       an optional package is not installed
├── EngineError(RuntimeError)            an engine could not be opened or could not run
│   ├── DeviceError                      the device asked for is not here
│   ├── EngineInputError                 the arrays do not fit the inputs
│   ├── EngineMemoryError                the device's memory does not hold this batch
│   └── EngineStoppedError               the run was ended by who no longer wants it
├── LimitError(RuntimeError)             a limit of the server is reached
├── IdleError(TimeoutError)              the client sent or read nothing for too long
├── DrainingError(RuntimeError)          the server is starting or stopping
├── SeparationClosedError(RuntimeError)  closed before it was complete
├── ListenError(OSError)                 the server cannot listen there
├── ServingError(RuntimeError)           the server can answer nobody any more
├── SettingsError(ValueError)            a setting is wrong
├── RemoteError(RuntimeError)            a server refused or failed a call
├── OutputsError(RuntimeError)           some of the files could not be written
├── BenchError(RuntimeError)             a measurement cannot be made
└── ExportError(Exception)               weights to artifacts
    ├── ConfigError(ValueError)          a network's configuration is none that is built here
    ├── BagError(ValueError)             the weights of a bag do not fit it
    ├── CheckpointError(ValueError)      the file is no checkpoint, or does not fit
    ├── DiffqError(ValueError)           quantised weights that cannot be read
    ├── WeightsError(LookupError)        the weights are not to be had
    ├── DownloadError(OSError)           no address answers
    ├── IntegrityError(ValueError)       the file is not the one that was wanted
    ├── CacheError(OSError)              the cache cannot be written
    ├── UnknownVariantError(LookupError) no such precision
    ├── OnnxExportError(RuntimeError)    the graph is not what an artifact must be
    ├── ParityError(RuntimeError)        the graph does not agree with its reference
    ├── QualityError(RuntimeError)       it separates worse than when it was exported
    ├── BeatQualityError(RuntimeError)   it finds beats worse than when it was exported
    ├── ArtifactWriteError(OSError)      the artifacts' folder cannot be written
    └── ResumeError(ValueError)          a training cannot be continued from these files

Each also is the builtin in parentheses. An exception outside this tree is a fault of stemline's
own; over gRPC, so is one whose status is INTERNAL. This module imports nothing, so that every
folder may import it.
"""

FAILED, USAGE, MISSING = 1, 2, 3
"""Exit codes: it went wrong; it was called wrong; something is missing that can be got."""


class StemlineError(Exception):
    """Whatever goes wrong on purpose; the message says what came, what was wanted, what to do."""

    exit_code: int = FAILED
    """Of the command."""
    grpc_status: str = "INTERNAL"
    """The name of the status that a call ends with."""
    field: str = "config"
    """The part of a request that is wrong, where the status is INVALID_ARGUMENT."""

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes with every attribute, whatever the constructor takes."""
        return _rebuilt, (type(self), self.args), self.__dict__


def _rebuilt(kind: type[StemlineError], args: tuple[object, ...]) -> StemlineError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class AudioError(StemlineError, ValueError):
    """Audio that cannot be read, or holds no sound; the message says which and why."""

    grpc_status = "INVALID_ARGUMENT"
    field = "audio"


class EncodingError(StemlineError, ValueError):
    """A file format that cannot hold these stems; the message says which can."""

    exit_code = USAGE
    grpc_status = "INVALID_ARGUMENT"
    field = "output"


class OverlapError(StemlineError, ValueError):
    """An overlap that no chunk plan can be made of."""

    exit_code = USAGE
    grpc_status = "INVALID_ARGUMENT"
    field = "overlap"


class RequestError(StemlineError, ValueError):
    """A parameter of the request is wrong; `field` names it."""

    exit_code = USAGE
    grpc_status = "INVALID_ARGUMENT"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class WrongModelError(StemlineError, ValueError):
    """The model finds beats where stems are wanted, or the reverse; the message says which do."""

    exit_code = USAGE
    grpc_status = "INVALID_ARGUMENT"
    field = "model"


class UnknownModelError(StemlineError, LookupError):
    """No model has this name, exported or in the table; the message names those there are."""

    exit_code = MISSING
    grpc_status = "NOT_FOUND"

    def __init__(self, message: str, exit_code: int = MISSING) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        """USAGE for a name that not even the table has: nothing is missing that could be got."""


class UnknownStemError(StemlineError, LookupError):
    """The model has no such stem; the message names those it has."""

    exit_code = USAGE
    grpc_status = "NOT_FOUND"


class UntrainedError(StemlineError, RuntimeError):
    """The artifact holds seeded random weights and was not asked for by `--allow-untrained`."""

    exit_code = MISSING
    grpc_status = "FAILED_PRECONDITION"


class ArtifactError(StemlineError, ValueError):
    """A file is missing, is no artifact of ours, or is damaged."""

    grpc_status = "FAILED_PRECONDITION"


class MissingNetworkError(ArtifactError):
    """A bag lacks a network that the stems need; the message is how to get it."""

    exit_code = MISSING


class MissingExtraError(StemlineError, ImportError):
    """An optional package is not installed; the message is the command that installs it."""

    exit_code = MISSING
    grpc_status = "FAILED_PRECONDITION"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed; install it with: pip install 'stemline[{extra}]'"
        )


class EngineError(StemlineError, RuntimeError):
    """An engine could not be opened or could not run."""


class DeviceError(EngineError):
    """The device asked for is not here; never answered by another device."""

    exit_code = MISSING
    grpc_status = "FAILED_PRECONDITION"


class EngineInputError(EngineError):
    """The arrays given do not fit the engine's inputs."""


class EngineMemoryError(EngineError):
    """The device's memory does not hold this batch; a smaller one may run."""

    grpc_status = "RESOURCE_EXHAUSTED"


class EngineStoppedError(EngineError):
    """The run was ended by its CancelToken, whose owner expects this error; no caller meets it."""


class LimitError(StemlineError, RuntimeError):
    """The server's limit on streams, upload or length is reached."""

    grpc_status = "RESOURCE_EXHAUSTED"


class IdleError(StemlineError, TimeoutError):
    """The client sent no message, or read no response, for longer than the server waits."""

    grpc_status = "DEADLINE_EXCEEDED"


class DrainingError(StemlineError, RuntimeError):
    """The server is starting or stopping and takes no new work."""

    grpc_status = "UNAVAILABLE"


class SeparationClosedError(StemlineError, RuntimeError):
    """What was asked for was closed before it was complete."""

    grpc_status = "CANCELLED"


class ListenError(StemlineError, OSError):
    """The server cannot listen where it was told to; the message says why."""


class ServingError(StemlineError, RuntimeError):
    """A running server can answer nobody any more, and ends; the message says why."""


class SettingsError(StemlineError, ValueError):
    """A setting is wrong or does not fit the others; the message names it."""

    exit_code = USAGE


class RemoteError(StemlineError, RuntimeError):
    """The server refused or failed a call, or there is none at the address.

    `status` is the name of the call's gRPC status. `reason` is the name of the server's own error,
    a class of this module, and decides the exit code; it is empty where the server sent none.
    """

    def __init__(self, status: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        kind = globals().get(reason)
        # What is INTERNAL is a fault of the server, whatever it would mean here.
        if status == "INTERNAL":
            return
        if isinstance(kind, type) and issubclass(kind, StemlineError):
            self.exit_code = kind.exit_code


class OutputsError(StemlineError, RuntimeError):
    """Beats were found, but not all files asked for could be written; the message says which."""


class BenchError(StemlineError, RuntimeError):
    """A measurement could not be made, or the process that made it died."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ExportError(StemlineError):
    """Weights could not be made an artifact that is verified."""


class ConfigError(ExportError, ValueError):
    """A network's configuration is none that is built here; the message names the key."""

    exit_code = USAGE


class BagError(ExportError, ValueError):
    """The weights of a bag do not fit its members or stems; the message says which."""


class CheckpointError(ExportError, ValueError):
    """A file is no checkpoint that is read here, or does not fit the configuration."""


class DiffqError(ExportError, ValueError):
    """A quantised state does not fit its parameters, or lacks some of their numbers."""


class WeightsError(ExportError, LookupError):
    """The weights asked for are not to be had."""

    exit_code = MISSING


class DownloadError(ExportError, OSError):
    """No address has the checkpoint; the message names them and the way without a network."""

    exit_code = MISSING


class IntegrityError(ExportError, ValueError):
    """A checkpoint is not the file it should be; never answered by other weights."""


class CacheError(ExportError, OSError):
    """The cache folder cannot be written, or is full."""


class UnknownVariantError(ExportError, LookupError):
    """No such variant of an artifact can be made; the message lists those that can."""

    exit_code = USAGE


class OnnxExportError(ExportError, RuntimeError):
    """The exporter's graph is not what an artifact must be."""


class ParityError(ExportError, RuntimeError):
    """An artifact does not agree with its reference; the message names the first stem too far."""


class QualityError(ExportError, RuntimeError):
    """An artifact separates worse than it did when it was exported."""


class BeatQualityError(ExportError, RuntimeError):
    """An artifact finds beats worse than it did when it was exported."""


class ArtifactWriteError(ExportError, OSError):
    """The artifacts' folder cannot be written, or the disk is full."""


class ResumeError(ExportError, ValueError):
    """A checkpoint is of another training than the one that is to be continued."""
