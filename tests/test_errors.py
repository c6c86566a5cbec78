"""Every error of ours: its place in the tree, its exit code, its status, its way to a process."""

import builtins
import pickle
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import grpc
import pytest

from stemline import errors
from stemline.errors import (
    FAILED,
    MISSING,
    USAGE,
    ArtifactError,
    BenchError,
    ListenError,
    MissingExtraError,
    RemoteError,
    RequestError,
    StemlineError,
    UnknownModelError,
)
from stemline.serving.rpc.status import status_of


def below(kind: type[StemlineError]) -> Iterator[type[StemlineError]]:
    """A class and all those made of it, in this process."""
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


Error = TypeVar("Error", bound=StemlineError)

DEFINED = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, StemlineError)
]


def made(kind: type[StemlineError]) -> StemlineError:
    """An error of this class, with a message."""
    constructors: dict[type[StemlineError], Callable[[], StemlineError]] = {
        RequestError: lambda: RequestError("overlap", "a message"),
        MissingExtraError: lambda: MissingExtraError("torch", "export"),
        RemoteError: lambda: RemoteError("NOT_FOUND", "a message", "UnknownModelError"),
    }
    return constructors.get(kind, lambda: kind("a message"))()


# The tree ----------------------------------------------------------------------------------------

_LINE = re.compile(r"^(?P<indent>[│ ]*)[├└]── (?P<name>\w+)(?:\((?P<builtin>\w+)\))?(?: +|$)")


def drawn() -> dict[str, tuple[str, str]]:
    """The tree in the docstring: class → its parent, and the builtin that it is, too."""
    assert errors.__doc__ is not None
    lines = errors.__doc__.splitlines()
    first = lines.index("StemlineError")
    found: dict[str, tuple[str, str]] = {"StemlineError": ("Exception", "")}
    above = ["StemlineError"]
    for line in lines[first + 1 :]:
        match = _LINE.match(line)
        if match is None:
            break
        depth = len(match["indent"]) // 4
        above[depth + 1 :] = [match["name"]]
        assert match["name"] not in found, "drawn twice"
        found[match["name"]] = (above[depth], match["builtin"] or "")
    return found


def test_the_tree_names_exactly_the_classes_that_there_are() -> None:
    assert list(drawn()) == [kind.__name__ for kind in DEFINED]
    assert len(DEFINED) > 30


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.__name__)
def test_each_class_is_where_the_tree_has_it(kind: type[StemlineError]) -> None:
    parent, builtin = drawn()[kind.__name__]
    first, *others = kind.__bases__
    assert first.__name__ == parent
    if builtin:
        assert issubclass(kind, getattr(builtins, builtin))
    assert [other.__name__ for other in others] == [builtin] * bool(others)
    assert kind.__doc__


def test_no_error_of_ours_is_defined_elsewhere() -> None:
    ours = [kind for kind in below(StemlineError) if kind.__module__.startswith("stemline.")]
    assert {kind.__module__ for kind in ours} == {"stemline.errors"}
    assert set(ours) == set(DEFINED)


# Exit codes and statuses -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.__name__)
def test_each_has_an_exit_code_a_status_and_a_field(kind: type[StemlineError]) -> None:
    error = made(kind)
    assert type(error.exit_code) is int and error.exit_code in {FAILED, USAGE, MISSING} == {1, 2, 3}
    assert grpc.StatusCode[error.grpc_status] is status_of(error)
    assert status_of(error) is not grpc.StatusCode.OK
    assert error.field and isinstance(error.field, str)
    # Whoever was told which parameter is wrong called it wrong; unreadable audio has no parameter.
    if error.grpc_status == "INVALID_ARGUMENT":
        assert (error.exit_code == USAGE) == (error.field != "audio")


@pytest.mark.parametrize(
    ("kind", "status", "exit_code"),
    [
        ("AudioError", "INVALID_ARGUMENT", FAILED),
        ("EncodingError", "INVALID_ARGUMENT", USAGE),
        ("OverlapError", "INVALID_ARGUMENT", USAGE),
        ("RequestError", "INVALID_ARGUMENT", USAGE),
        ("WrongModelError", "INVALID_ARGUMENT", USAGE),
        ("UnknownModelError", "NOT_FOUND", MISSING),
        ("UnknownStemError", "NOT_FOUND", USAGE),
        ("UntrainedError", "FAILED_PRECONDITION", MISSING),
        ("MissingNetworkError", "FAILED_PRECONDITION", MISSING),
        ("ArtifactError", "FAILED_PRECONDITION", FAILED),
        ("DeviceError", "FAILED_PRECONDITION", MISSING),
        ("MissingExtraError", "FAILED_PRECONDITION", MISSING),
        ("EngineError", "INTERNAL", FAILED),
        ("EngineInputError", "INTERNAL", FAILED),
        ("EngineMemoryError", "RESOURCE_EXHAUSTED", FAILED),
        ("LimitError", "RESOURCE_EXHAUSTED", FAILED),
        ("IdleError", "DEADLINE_EXCEEDED", FAILED),
        ("DrainingError", "UNAVAILABLE", FAILED),
        ("SeparationClosedError", "CANCELLED", FAILED),
        ("ListenError", "INTERNAL", FAILED),
        ("SettingsError", "INTERNAL", USAGE),
        ("ConfigError", "INTERNAL", USAGE),
        ("CheckpointError", "INTERNAL", FAILED),
        ("WeightsError", "INTERNAL", MISSING),
        ("DownloadError", "INTERNAL", MISSING),
        ("IntegrityError", "INTERNAL", FAILED),
        ("CacheError", "INTERNAL", FAILED),
        ("UnknownVariantError", "INTERNAL", USAGE),
        ("OnnxExportError", "INTERNAL", FAILED),
        ("ParityError", "INTERNAL", FAILED),
        ("QualityError", "INTERNAL", FAILED),
        ("BeatQualityError", "INTERNAL", FAILED),
        ("ArtifactWriteError", "INTERNAL", FAILED),
    ],
)
def test_callers_meet_these_codes(kind: str, status: str, exit_code: int) -> None:
    error = made(getattr(errors, kind))
    assert (error.grpc_status, error.exit_code) == (status, exit_code)


def test_what_is_not_ours_is_a_fault() -> None:
    for error in (ValueError("x"), OSError(2, "x"), KeyError("x"), ImportError("x")):
        assert status_of(error) is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.__name__)
def test_a_server_s_error_has_the_exit_code_that_it_has_here(kind: type[StemlineError]) -> None:
    if kind is not RemoteError:
        assert RemoteError("NOT_FOUND", "x", kind.__name__).exit_code == kind.exit_code
        # A fault of the server is none of the caller's, whatever its error would mean here.
        assert RemoteError("INTERNAL", "x", kind.__name__).exit_code == FAILED


@pytest.mark.parametrize("reason", ["", "ValueError", "FAILED", "NoSuchError", "annotations"])
def test_a_server_s_error_that_is_not_ours_has_failed(reason: str) -> None:
    error = RemoteError("UNKNOWN", "x", reason)
    assert (error.exit_code, error.reason) == (FAILED, reason)


# Between processes -------------------------------------------------------------------------------


def sent(error: Error, protocol: int | None = None) -> Error:
    """As another process has it."""
    back: Error = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - made in this line
    return back


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.__name__)
def test_each_survives_pickling(kind: type[StemlineError], protocol: int) -> None:
    error = made(kind)
    back = sent(error, protocol)
    assert type(back) is kind
    assert str(back) == str(error) != ""
    assert back.args == error.args
    for name in ("message", "field", "exit_code", "grpc_status"):
        assert getattr(back, name, None) == getattr(error, name, None)
    assert vars(back) == vars(error)


@pytest.mark.parametrize(
    ("error", "message", "field", "exit_code"),
    [
        (RequestError("overlap", "it is 0"), "it is 0", "overlap", USAGE),
        (UnknownModelError("no 'x'"), "no 'x'", "config", MISSING),
        (UnknownModelError("no 'x'", USAGE), "no 'x'", "config", USAGE),
        (BenchError("none", MISSING), "none", "config", MISSING),
        (RemoteError("NOT_FOUND", "there", "UnknownStemError"), "there", "config", USAGE),
        (
            MissingExtraError("torch", "export"),
            "torch is not installed; install it with: pip install 'stemline[export]'",
            "config",
            MISSING,
        ),
    ],
)
def test_what_an_error_was_made_with_comes_along(
    error: StemlineError, message: str, field: str, exit_code: int
) -> None:
    back = sent(error)
    for one in (error, back):
        assert (str(one), one.field, one.exit_code) == (message, field, exit_code)
    if isinstance(back, RemoteError):
        assert (back.status, back.reason) == ("NOT_FOUND", "UnknownStemError")


def test_a_system_s_error_keeps_its_number() -> None:
    error = sent(ListenError(98, "in use"))
    assert (error.errno, error.strerror) == (98, "in use")


def test_an_error_is_raised_as_it_was_sent() -> None:
    with pytest.raises(ArtifactError, match="damaged") as caught:
        raise sent(errors.MissingNetworkError("damaged"))
    assert caught.value.exit_code == MISSING
