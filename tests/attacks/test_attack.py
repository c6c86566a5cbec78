"""`python -m stemline.bench.attack`, in short: hostile messages and damaged files at once."""

from pathlib import Path

from demucs_track_helpers import gain_info, write_gains

from stemline.bench.attack import run
from stemline.bench.attack.messages import REQUESTS, hostile_calls
from stemline.bench.attack.run import Outcome, Plan, attack


def test_a_server_under_attack_answers_holds_and_ends(tmp_path: Path) -> None:
    root = tmp_path / "artifacts"
    write_gains(root, gain_info("mini", stems=("vocals", "other")), [0.25, 0.75])
    log = tmp_path / "log"
    plan = Plan(n_messages=3000, n_containers=150, n_sigterms=2, seed=7, artifacts=root)
    outcome = attack(plan, log)
    assert not outcome.wrong
    assert "Traceback" not in log.read_text()
    assert (outcome.messages, outcome.containers) == (3000, 150)
    assert outcome.statuses["INVALID_ARGUMENT"] > 100
    assert outcome.statuses["OK"] > 100
    assert len(outcome.sigterms_s) == 2


def test_what_a_server_must_not_do_is_seen() -> None:
    held = {"rss_mb": 200.0, "threads": 100, "descriptors": 10}
    outcome = Outcome(before=held, after={"rss_mb": 251.0, "threads": 103, "descriptors": 13})
    run._judge(outcome)
    assert len(outcome.wrong) == 3


def test_hostile_calls_are_the_same_for_a_seed_and_reach_every_method() -> None:
    calls = list(hostile_calls(2000, 3))
    assert calls == list(hostile_calls(2000, 3))
    assert sum(max(len(call.messages), 1) for call in calls) == 2000
    assert {call.method for call in calls} == set(REQUESTS)
