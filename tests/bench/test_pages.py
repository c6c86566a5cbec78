"""A region of a page: written between its own marks, and nothing else touched."""

from pathlib import Path

import pytest

from stemline.bench.pages import Region, table
from stemline.errors import RequestError

ONE, TWO = Region("one --markdown", "Beats"), Region("two --markdown", "Beats")
BEGIN, END = ONE.marks


def test_a_page_is_made_and_its_region_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "beats.md"
    ONE.write(path, "first")
    assert path.read_text() == f"# Beats\n\n{BEGIN}\n\nfirst\n{END}\n"
    page = path.read_text().replace("# Beats", "# Mine")
    path.write_text(page + "words\n")
    ONE.write(path, "second")
    assert path.read_text() == page.replace("first", "second") + "words\n"


def test_each_command_writes_between_its_own_marks(tmp_path: Path) -> None:
    path = tmp_path / "beats.md"
    path.write_text("\nwords\n".join("\n".join(region.marks) for region in (ONE, TWO)))
    TWO.write(path, "of two")
    ONE.write(path, "of one")
    first, second = path.read_text().split("words")
    assert ("of one" in first, "of two" in second) == (True, True)
    assert ("of two" in first, "of one" in second) == (False, False)


@pytest.mark.parametrize("text", ["# A page of something else\n", BEGIN, END + BEGIN, "words"])
def test_a_page_without_the_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(RequestError, match="without the two markers"):
        ONE.check(page)
    with pytest.raises(RequestError, match="without the two markers"):
        ONE.write(page, "table")
    assert page.read_text() == text


def test_what_is_no_text_is_no_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_bytes(b"\xff\xfe")
    with pytest.raises(RequestError, match="is no text"):
        ONE.check(page)


def test_a_table_has_its_header_ruled_off() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
