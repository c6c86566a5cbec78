"""A request is begun or cancelled before, never both; what runs is closed by whoever cancels."""

import pytest

from stemline.errors import SeparationClosedError
from stemline.serving.worker.fields import Fields
from stemline.serving.worker.protocol import Request
from stemline.serving.worker.under_way import UnderWay


@pytest.fixture
def under_way() -> UnderWay:
    return UnderWay(Request(1, "separate", Fields({}, "separate")))


def test_one_that_waits_never_begins_once_it_is_cancelled(under_way: UnderWay) -> None:
    assert under_way.cancel()
    assert not under_way.cancel()  # who cancels it first answers
    assert not under_way.begin() and not under_way.has_begun


def test_one_that_has_begun_is_closed_and_answered_by_who_runs_it(under_way: UnderWay) -> None:
    closed: list[str] = []
    assert under_way.begin() and under_way.has_begun
    under_way.ends_with(lambda: closed.append("closed"))
    under_way.check()
    assert not under_way.cancel()
    assert closed == ["closed"]
    with pytest.raises(SeparationClosedError):
        under_way.check()


def test_one_that_is_cancelled_while_its_model_opens_does_not_start(under_way: UnderWay) -> None:
    assert under_way.begin()
    assert not under_way.cancel()
    with pytest.raises(SeparationClosedError):
        under_way.ends_with(lambda: None)
