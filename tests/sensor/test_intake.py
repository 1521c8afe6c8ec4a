"""Alerts on their way to disk."""

import sqlite3
from pathlib import Path
from threading import Thread

import pytest

from sensor.alert import Alert
from sensor.intake import Intake
from sensor.spool import Spool, prepare


def alert(rule: str) -> Alert:
    return Alert(time="t", rule=rule, priority="Warning")


@pytest.fixture
def spool(tmp_path: Path):
    prepare(tmp_path / "spool.db")
    opened = Spool(tmp_path / "spool.db", 64 * 1024 * 1024)
    yield opened
    opened.close()


def test_what_waits_is_written_before_the_loop_ends(spool: Spool) -> None:
    commits: list[int] = []
    intake = Intake(spool, lambda: commits.append(spool.waiting))
    for number in range(2500):
        intake.put(alert(str(number)))
    intake.close()
    intake.loop()
    assert commits == [1000, 2000, 2500]


def test_memory_is_bounded_and_what_does_not_fit_is_counted(spool: Spool) -> None:
    intake = Intake(spool, lambda: None, capacity=3)
    for number in range(5):
        intake.put(alert(str(number)))
    assert (intake.taken, intake.dropped) == (5, 2)


def test_a_disk_that_refuses_is_tried_again_and_nothing_is_lost(spool: Spool, tmp_path: Path) -> None:
    disk = sqlite3.connect(tmp_path / "spool.db", isolation_level=None, check_same_thread=False)
    disk.execute("CREATE TRIGGER full BEFORE INSERT ON alert BEGIN SELECT raise(ABORT, 'disk'); END")
    intake = Intake(spool, lambda: None)
    intake.put(alert("a"))
    thread = Thread(target=intake.loop)
    thread.start()
    disk.execute("DROP TRIGGER full")
    intake.put(alert("b"))
    thread.join(0.01)
    intake.close()
    thread.join(5.0)
    disk.close()
    if spool.waiting == 0:  # Closed during the pause after a refusal: the alerts are still in memory.
        intake.loop()
    assert spool.waiting == 2


def test_an_alert_that_cannot_be_written_does_not_hold_up_the_others(spool: Spool) -> None:
    poison = alert("poison")
    poison.priority = "Loud"
    intake = Intake(spool, lambda: None)
    for each in (alert("a"), poison, alert("b")):
        intake.put(each)
    intake.close()
    intake.loop()
    assert spool.waiting == 2
    assert intake.dropped == 1
