"""The memory that makes each action happen at most once."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sensor.actions.base import Outcome, Run, State
from sensor.actions.ledger import INTERRUPTED, KEPT_DAYS, Ledger, Report
from sensor.spool import prepare

DAY_NS = 86_400 * 1_000_000_000
DONE = Outcome(State.SUCCEEDED, "killed", {"pid": 7})


def run(action: str = "run-1", lease: str = "lease-1") -> Run:
    return Run(action, "kill_process", lease, {}, "automatic", datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    prepare(tmp_path / "spool.db")
    return tmp_path / "spool.db"


def test_an_id_is_begun_once_even_by_another_life_of_the_sensor(path: Path) -> None:
    assert Ledger(path).begin(run())
    assert not Ledger(path).begin(run())


def test_a_repeated_lease_is_answered_with_the_recorded_outcome(path: Path) -> None:
    ledger = Ledger(path)
    ledger.begin(run())
    ledger.finish("run-1", DONE)
    ledger.reported("run-1")
    assert ledger.unreported() == []
    ledger.begin(run(lease="lease-2"))
    assert ledger.unreported() == [Report("run-1", "lease-2", DONE)]


def test_an_outcome_is_kept_until_it_is_reported(path: Path) -> None:
    ledger = Ledger(path)
    ledger.begin(run())
    ledger.finish("run-1", DONE)
    assert Ledger(path).unreported() == [Report("run-1", "lease-1", DONE)]


def test_what_was_interrupted_is_unknown_and_not_done_again(path: Path) -> None:
    Ledger(path).begin(run())
    assert Ledger(path).unreported() == [Report("run-1", "lease-1", INTERRUPTED)]


def test_reported_ids_are_forgotten_only_after_a_month(path: Path) -> None:
    ledger = Ledger(path)
    ledger.begin(run("old"), now_ns=0)
    ledger.begin(run("new"), now_ns=KEPT_DAYS * DAY_NS)
    ledger.reported("old", now_ns=KEPT_DAYS * DAY_NS)
    assert not ledger.begin(run("old"))
    ledger.reported("old", now_ns=(KEPT_DAYS + 1) * DAY_NS)
    assert ledger.begin(run("old"))
