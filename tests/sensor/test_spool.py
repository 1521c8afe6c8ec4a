"""Alerts on disk: nothing kept is lost, the file stays bounded."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sensor.alert import Alert
from sensor.spool import BATCH_BYTES, Spool, prepare

MIB = 1024 * 1024


def alert(number: int = 0, priority: str = "Warning", size: int = 0) -> Alert:
    return Alert(time="2026-11-23T12:00:00.000000000Z", rule=f"rule {number}", priority=priority, output="x" * size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "state" / "spool.db"
    assert prepare(file) is None
    return file


@pytest.fixture
def spool(path: Path):
    opened = Spool(path, 4 * MIB)
    yield opened
    opened.close()


def rules(spool: Spool) -> list[str]:
    batch = spool.peek()
    spool.release()
    return [msgspec.json.decode(stored.body)["rule"] for stored in batch]


def test_alerts_come_out_oldest_first_each_with_its_own_uuid(spool: Spool) -> None:
    spool.append([alert(1), alert(2)])
    spool.append([alert(3)])
    assert rules(spool) == ["rule 1", "rule 2", "rule 3"]
    uuids = [msgspec.json.decode(stored.body)["uuid"] for stored in spool.peek()]
    assert len(set(uuids)) == 3
    assert all(uuid[14] == "7" for uuid in uuids)


def test_looking_forgets_nothing_and_forgetting_forgets(spool: Spool) -> None:
    spool.append([alert(1), alert(2)])
    batch = spool.peek(1)
    assert len(spool.peek()) == 2
    spool.forget(batch)
    assert rules(spool) == ["rule 2"]
    assert spool.waiting == 1


def test_a_uuid_survives_a_restart(path: Path, spool: Spool) -> None:
    spool.append([alert()])
    before = spool.peek()
    again = Spool(path, 4 * MIB)
    assert again.peek() == before
    assert (again.waiting, again.bytes) == (spool.waiting, spool.bytes)
    again.close()


def test_a_batch_is_bounded_in_number_and_bytes(spool: Spool) -> None:
    spool.append([alert(size=BATCH_BYTES // 4) for _ in range(6)])
    assert len(spool.peek()) == 3
    assert len(spool.peek(2)) == 2


def test_an_alert_larger_than_a_batch_still_comes_out_alone(spool: Spool) -> None:
    spool.append([alert(size=BATCH_BYTES * 2), alert()])
    assert len(spool.peek()) == 1


def test_a_full_spool_gives_up_the_oldest_of_the_least_severe(path: Path) -> None:
    spool = Spool(path, 10_000)
    spool.append([alert(1, "Critical", 2500), alert(2, "Debug", 2500), alert(3, "Debug", 2500)])
    assert spool.append([alert(4, "Warning", 2500)]) == 1
    assert rules(spool) == ["rule 1", "rule 3", "rule 4"]
    assert spool.append([alert(5, "Warning", 2500), alert(6, "Emergency", 2500)]) == 2
    assert rules(spool) == ["rule 1", "rule 5", "rule 6"]
    assert spool.evicted == 3
    assert spool.bytes <= 10_000
    spool.close()


def test_what_is_being_posted_is_not_evicted(path: Path) -> None:
    spool = Spool(path, 6_000)
    spool.append([alert(1, "Debug", 2500)])
    posting = spool.peek()
    spool.append([alert(2, "Debug", 2500), alert(3, "Debug", 2500)])
    spool.forget(posting)
    assert rules(spool) == ["rule 3"]
    assert spool.waiting == 1
    spool.close()


def test_a_failed_append_leaves_the_count_as_it_was(path: Path, spool: Spool) -> None:
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("CREATE TRIGGER full BEFORE INSERT ON alert BEGIN SELECT raise(ABORT, 'disk'); END")
    with pytest.raises(sqlite3.Error):
        spool.append([alert()])
    blocker.execute("DROP TRIGGER full")
    blocker.close()
    assert (spool.waiting, spool.bytes) == (0, 0)
    spool.append([alert(7)])
    assert rules(spool) == ["rule 7"]


def test_bytes_that_are_not_text_become_replacement_characters(spool: Spool) -> None:
    strange = alert()
    strange.output_fields = {"proc.name": "ca\udcff", "list": ["\ud800"]}
    spool.append([strange])
    fields = msgspec.json.decode(spool.peek()[0].body)["output_fields"]
    assert fields == {"proc.name": "ca\ufffd", "list": ["\ufffd"]}


def test_a_refused_alert_is_buried_with_its_reason(spool: Spool) -> None:
    spool.append([alert(1), alert(2)])
    batch = spool.peek()
    spool.bury(batch[:1], ["time: not a time"])
    assert rules(spool) == ["rule 2"]
    assert spool.dead_letters() == [("time: not a time", batch[0].body)]


def test_a_damaged_file_is_set_aside_and_the_sensor_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    file.write_bytes(b"this is no database, and long enough to be read as one" * 100)
    aside = prepare(file)
    assert aside is not None
    assert aside.read_bytes().startswith(b"this is no database")
    spool = Spool(file, 4 * MIB)
    spool.append([alert(1)])
    assert rules(spool) == ["rule 1"]
    spool.close()


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


WRITER = """
import sys
from pathlib import Path
from sensor.alert import Alert
from sensor.spool import Spool
spool = Spool(Path(sys.argv[1]), 64 * 1024 * 1024)
for number in range(1_000_000):
    spool.append([Alert(time="t", rule=str(number), priority="Warning")])
    print(number, flush=True)
"""


def test_kill_9_at_any_point_loses_nothing_that_was_appended(path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(50)]
    writer.send_signal(signal.SIGKILL)
    said += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()
    writer.stdout.close()
    spool = Spool(path, 64 * MIB)
    found = [int(msgspec.json.decode(stored.body)["rule"]) for stored in spool.peek(100_000, 64 * MIB)]
    assert found[: len(said)] == said
    # The one that was committed but not yet said may be there, too.
    assert len(found) - len(said) in (0, 1)
    spool.close()
