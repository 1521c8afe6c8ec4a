"""The sign of life and what the next run makes of it."""

from pathlib import Path

import pytest

from sensor.alive import AliveMark, Mark, blind_since
from sensor.spool import connect, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    prepare(tmp_path / "spool.db")
    return tmp_path / "spool.db"


def test_the_first_run_was_never_blind(path: Path) -> None:
    assert blind_since(AliveMark(path, "boot-1").previous()) is None


def test_a_run_that_was_killed_leaves_its_last_sign_of_life(path: Path) -> None:
    AliveMark(path, "boot-1").touch(123)
    previous = AliveMark(path, "boot-2").previous()
    assert previous == Mark("boot-1", 123, clean=False)
    assert blind_since(previous) == 123


def test_a_run_that_was_stopped_leaves_nothing_to_report(path: Path) -> None:
    mark = AliveMark(path, "boot-1")
    mark.touch(123)
    mark.close(456)
    assert blind_since(AliveMark(path, "boot-1").previous()) is None


def test_a_mark_that_cannot_be_read_is_no_mark(path: Path) -> None:
    connect(path, durable=False).execute("INSERT INTO mark VALUES ('alive', '{\"x\":1}')")
    assert AliveMark(path, "boot-1").previous() is None


def test_a_busy_disk_does_not_hold_up_the_watching_thread(path: Path) -> None:
    mark = AliveMark(path, "boot-1")
    writer = connect(path, durable=True)
    writer.execute("BEGIN IMMEDIATE")
    mark.touch(1)
    writer.execute("ROLLBACK")
    mark.touch(2)
    assert AliveMark(path, "boot-1").previous() == Mark("boot-1", 2, clean=False)
