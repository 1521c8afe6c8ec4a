"""Recorded events played as if they happened now."""

import json
import time
from pathlib import Path

import pytest

from sensor.engine import Engine
from sensor.playback import Playback
from sensor.rulefeed import BUILT_IN, compiled, read_files
from sensor.sources import replay

DEMO = Path(__file__).parents[2] / "sensor" / "demo" / "events.jsonl"
RECORDED_AT = 1_700_000_000_000_000_000


def recording(folder: Path, *milliseconds: int) -> Path:
    file = folder / "events.jsonl"
    lines = [
        {"evt.type": "openat", "evt.time": RECORDED_AT + at * 1_000_000, "proc.pid": 7, "proc.pid.ts": RECORDED_AT}
        for at in milliseconds
    ]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def test_events_come_at_the_pace_they_were_recorded_and_carry_the_time_of_now(tmp_path: Path) -> None:
    source = Playback(recording(tmp_path, 0, 50), loop=False)
    before = time.time_ns()
    source.open()
    first, second = source.poll(0.2)
    assert first.time >= before
    assert second.time - first.time == 50_000_000
    assert time.time_ns() >= second.time
    assert source.exhausted


def test_a_process_has_started_as_long_before_its_event_as_in_the_recording(tmp_path: Path) -> None:
    source = Playback(recording(tmp_path, 20), loop=False)
    source.open()
    [event] = source.poll(0.1)
    assert event.proc is not None
    assert event.time - event.proc.start_time == 20_000_000


def test_a_poll_waits_no_longer_than_asked(tmp_path: Path) -> None:
    source = Playback(recording(tmp_path, 0, 60_000), loop=False)
    source.open()
    began = time.monotonic()
    assert len(list(source.poll(0.05))) == 1
    assert time.monotonic() - began < 1.0
    assert not source.exhausted


def test_a_loop_begins_again_after_a_pause(tmp_path: Path) -> None:
    source = Playback(recording(tmp_path, 0), loop=True, pause=0.2)
    source.open()
    [first] = source.poll(0.05)
    second = next(source.poll(0.5))
    assert second.time - first.time == 200_000_000
    assert not source.exhausted


def test_an_empty_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no events"):
        Playback(recording(tmp_path), loop=False).open()


def test_the_demonstration_is_an_attack_that_our_rules_see() -> None:
    engine = Engine(compiled(read_files([str(BUILT_IN)])))
    events = list(replay.events(DEMO))
    raised = [rule.name for event in events for rule in engine.evaluate(event)]
    assert {
        "Shell started by a server",
        "Standard input or output put on the network",
        "Read sensitive file",
        "Scheduled job changed",
        "Execution from shared memory",
        "Log cleared",
    } <= set(raised)
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert events[-1].time - events[0].time < 60 * 1_000_000_000
