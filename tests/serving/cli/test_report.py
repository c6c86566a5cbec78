"""Names in what is printed, on a terminal and when piped."""

import os
import pty
import re
import subprocess
import sys

import pytest

from stemline.serving.cli.progress import clock, progress_bar

SCRIPT = """
import sys
from stemline.serving.cli.progress import progress_bar
from stemline.serving.cli.report import fail, print_table, say, warn
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


def printed(call: str, name: str, *, is_terminal: bool, columns: int = 120) -> str:
    command = [sys.executable, "-c", SCRIPT.format(call=call), name]
    if not is_terminal:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout + done.stderr
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": "1"}
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


def test_no_word_of_a_table_is_cut_on_a_narrow_terminal() -> None:
    call = (
        "print_table('models', ('model', 'outputs', 'exported', 'quality', 'licence'), "
        "[('mdx23c-drumsep5', 'kick, snare, instrumental, cymbals', 'fp32', 'improvement', name)], "
        "n_optional=2)"
    )
    found = printed(call, "CC-BY-NC-SA-and-a-long-name-of-a-licence", is_terminal=True, columns=60)
    for word in ("mdx23c-drumsep5", "instrumental,", "exported", "improvement"):
        assert word in found
    assert "left out: licence;" in found
    lines = re.sub(r"\x1b\[[0-9;]*m", "", found).splitlines()
    assert max(len(line) for line in lines if "─" in line or "━" in line) <= 60
    long = "a-name-that-is-longer-than-the-whole-terminal-is-wide"
    assert long in printed("print_table('', ('x',), [(name,)])", long, is_terminal=True, columns=40)


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0, "0:00"), (3.9, "0:03"), (720, "12:00"), (3605, "1:00:05")]
)
def test_a_clock_has_hours_where_there_are_any(seconds: float, wanted: str) -> None:
    assert clock(seconds) == wanted


def test_progress_says_what_is_elapsed_and_what_is_left() -> None:
    now = [0.0]
    bar = progress_bar(quiet=True)
    bar.get_time = lambda: now[0]
    task = bar.add_task("song.wav", total=10)
    times = bar.columns[-1]
    for now[0], done in ((1.0, 2), (3.0, 6)):
        bar.update(task, completed=done)
    assert str(times(bar.tasks[0])) == "0:03 elapsed, 0:02 left"
    bar.update(task, completed=10)
    assert str(times(bar.tasks[0])) == "0:03 elapsed"
