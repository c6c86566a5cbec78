"""The words of a source tree: every message it may give, without where it stands.

    python tests/record/messages.py ROOT > messages.txt

A line is a message, with `{}` for every value put into it: all strings within `raise` statements
and calls that print or warn, and all others of three words or more, docstrings left out. Lines are
sorted, and a message that is written twice has two.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDERS = (
    "band", "bench", "engines", "evaluation", "export", "families", "postprocessing",
    "preprocessing", "serving", "stemline", "training",
)  # fmt: skip
SPEAKS = frozenset(
    {"print", "warn", "warning", "echo", "say", "fail", "info", "error", "debug", "exception"}
)
"""Functions whose strings are messages however short."""
_LEAST_WORDS = 3


def harvest(root: Path) -> list[str]:
    """The messages below a folder, sorted."""
    found: list[str] = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            if "_pb2" not in path.name:
                found += messages_of(path.read_text())
    return sorted(found)


def messages_of(source: str) -> Iterator[str]:
    """The messages of one module."""
    tree = ast.parse(source)
    skipped = _docstrings(tree)
    seen: set[int] = set(skipped)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _speaks(node)):
            yield from _strings(node, seen, 1)
    yield from _strings(tree, seen, _LEAST_WORDS)


def _strings(node: ast.AST, seen: set[int], least_words: int) -> Iterator[str]:
    """The templates below a node that are not seen yet; those within an f-string's values too."""
    if id(node) in seen:
        return
    if isinstance(node, ast.BinOp) and (template := _template(node)) is not None:
        seen.update(id(inner) for inner in ast.walk(node) if _is_text(inner))
    else:
        template = _template(node) if _is_text(node) else None
    if template is not None:
        has_words = any(letter.isalpha() for letter in template)
        if has_words and len(template.split()) >= least_words:
            seen.add(id(node))
            yield " ".join(template.split())
        elif isinstance(node, ast.Constant):
            return
    is_joined = isinstance(node, ast.JoinedStr)
    for child in ast.iter_child_nodes(node):
        if is_joined and isinstance(child, ast.Constant):
            continue
        yield from _strings(child, seen, least_words)


def _template(node: ast.AST) -> str | None:
    """A string's text with `{}` for each value; None of what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) or "" for part in node.values)
    if isinstance(node, ast.FormattedValue):
        spec = _template(node.format_spec) if node.format_spec is not None else ""
        return "{:" + spec + "}" if spec else "{}"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _template(node.left), _template(node.right)
        return None if left is None or right is None else left + right
    return None


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _speaks(call: ast.Call) -> bool:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in SPEAKS


def _docstrings(tree: ast.AST) -> set[int]:
    """Strings that are statements: docstrings, and what is said below a field."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


if __name__ == "__main__":
    sys.stdout.write("".join(f"{line}\n" for line in harvest(Path(sys.argv[1]))))
