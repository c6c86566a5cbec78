"""The verbs of the command: each is imported when it is called, and near misses are named.

`stemline --help` imports none of them: what it says of each stands here.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from .inputs import looks_like_input


@dataclass(frozen=True)
class Verb:
    """One verb: a function of its own name in a module of its own name."""

    help: str
    """The first sentence of the function's docstring."""
    function: str = ""
    """Where it is another's: that verb's name."""
    hidden: bool = False


VERBS = {
    "demo": Verb(
        "Stems, beats and sections of a synthetic song over gRPC, by the small models, measured."
    ),
    "models": Verb("List the models there are, and what of them is exported."),
    "list": Verb("List the models there are, and what of them is exported.", "models", hidden=True),
    "export": Verb(
        "Export models to ONNX and verify each against PyTorch; what is unchanged is kept."
    ),
    "verify": Verb(
        "Check every file's digest, measure parity and stems anew; exit 1 when a bound is missed."
    ),
    "separate": Verb(
        "Separate audio files into stems with the input's sample rate and number of samples."
    ),
    "beats": Verb("Find tempo, beats, downbeats and sections with labels."),
    "serve": Verb("Serve stems, beats and the list of models over gRPC until SIGTERM."),
    "worker": Verb("Take requests as lines of JSON on standard input, and answer them so."),
    "bench": Verb(
        "Measure engines by turns: seconds per chunk, memory, fidelity to PyTorch, and quality."
    ),
    "band": Verb(
        "Write songs as WAV files with the truth of each: beats, sections, tempo and key, as JAMS."
    ),
}

_NEAR = 0.7  # of what difflib makes of two names; at its own 0.6 `--clip-mode` is near `--model`

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

# What demucs and audio-separator call what has another name here.
_ELSEWHERE = {
    "--output_dir": "--out",
    "--output-dir": "--out",
    "--model_filename": "--model",
    "--model_file_dir": "--artifacts",
    "--repo": "--artifacts",
    "--output_format": "--format",
    "--single_stem": "--stems",
    "--mp3-preset": "--bitrate",
    "--output_bitrate": "--bitrate",
    "--custom_output_names": "--filename",
}
_COMMANDS = {name: "stemline models" for name in ("--list_models", "--list-models", "-l")}


class VerbCommand(TyperCommand):
    """A verb that names the option that was meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does, with what was meant in the error of an option that there is not."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter:
            raise
        except Exception as error:  # of a class that typer does not export
            name = getattr(error, "option_name", None)
            if name is None or type(error).__name__ != "NoSuchOption":
                raise
            near = _meant(name, [opt for param in self.get_params(ctx) for opt in param.opts])
            if near:
                error.possibilities = None  # type: ignore[attr-defined]
                error.message = f"No such option: {name}; did you mean {near}?"  # type: ignore[attr-defined]
            raise


class _Unloaded(TyperCommand):
    """A verb whose module is not imported yet."""

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, help=verb.help, hidden=verb.hidden)
        self._function = verb.function or name

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """The context of the verb itself, whose command is what then runs."""
        return load(self._function).make_context(info_name, args, parent, **extra)


class Verbs(TyperGroup):
    """All verbs, by name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb by name, not imported yet; None where there is none."""
        return _Unloaded(cmd_name, VERBS[cmd_name]) if cmd_name in VERBS else None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does; an option of a verb that comes before it is answered with its place."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if type(error).__name__ == "NoSuchOption" and _inputs(args):
                error.possibilities = None  # type: ignore[attr-defined]
                error.message = f"{error}. Options follow the command; {_how(args)}"  # type: ignore[attr-defined]
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does; a file in a verb's place is answered with what to type."""
        name = args[0]
        if name not in VERBS:
            near = get_close_matches(name, VERBS, 1)
            if _inputs(args[:1]):
                ctx.fail(f"{name} is no command; {_how(args)}")
            if near:
                ctx.fail(f"No such command {name!r}; did you mean: {ctx.command_path} {near[0]}?")
        return super().resolve_command(ctx, args)


def load(name: str) -> TyperCommand:
    """Import a verb."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function = getattr(import_module(f"{__package__}.{name}"), name)
    app.command(name, cls=VerbCommand, context_settings=HELP_NAMES)(function)
    command: Any = typer.main.get_command(app)
    return command  # type: ignore[no-any-return]


def _inputs(args: list[str]) -> list[str]:
    return [arg for arg in args if looks_like_input(arg)]


def _how(args: list[str]) -> str:
    what = " ".join(_inputs(args)[:3])
    return f"for its stems type: stemline separate {what}; for its beats: stemline beats {what}"


def _meant(name: str, options: list[str]) -> str:
    """The option that was meant, as far as one can tell; empty otherwise."""
    if name in _COMMANDS:
        return _COMMANDS[name]
    if _ELSEWHERE.get(name) in options:
        return _ELSEWHERE[name]
    plain = name.replace("_", "-")
    long = [option for option in options if option.startswith("--")]
    near = [plain] if plain in long else get_close_matches(plain, long, 1, _NEAR)
    return near[0] if near else ""
