"""Names in what is printed, on a terminal and when piped."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from stemline.serving.cli.report import fail, print_table, progress_bar, say, warn
name = sys.argv[1]
{call}
"""
CALLS = [
    "say(name)",
    "warn(name)",
    "fail(name)",
    "print_table(name, ('file', name), [('x', name)])",
    "bar = progress_bar(quiet=False)\nwith bar:\n    bar.add_task(name, total=2)",
]
NAMES = ["[id].wav", ":smile:.wav", "b[/c].wav", "[bold]a\\[b].wav", "two  spaces.wav", "\\[x"]


def printed(call: str, name: str, *, is_terminal: bool) -> str:
    command = [sys.executable, "-c", SCRIPT.format(call=call), name]
    if not is_terminal:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so that the other end is closed
                break
            if not part:
                break
            parts.append(part)
        os.close(ours)
        assert process.wait(60) == 0, b"".join(parts)
    return b"".join(parts).decode()


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("call", CALLS)
def test_whatever_is_in_a_name_is_text(call: str, is_terminal: bool) -> None:
    if "progress" in call and not is_terminal:
        pytest.skip("a bar is drawn on a terminal only")
    calls = f"for name in {NAMES!r}:\n" + "".join(f"    {line}\n" for line in call.splitlines())
    found = printed(calls, "", is_terminal=is_terminal)
    assert [name for name in NAMES if name not in found] == []


def test_an_error_is_one_line() -> None:
    assert printed("fail(name)", "first\n  second\n", is_terminal=False) == "error: first second\n"
