"""Recorded events as if they happened now: for demonstrations, and for machines whose kernel refuses probes."""

import time
from collections.abc import Iterator
from pathlib import Path

from sensor.event import Event
from sensor.sources import replay

LOOP_PAUSE = 5.0
"""Seconds between the end of a recording and its next beginning."""


class Playback:
    """An event source with the same methods as the kernel's, at the pace of the recording."""

    lost = 0
    attached: tuple[str, ...] = ("replay",)

    def __init__(self, path: Path, *, loop: bool, pause: float = LOOP_PAUSE) -> None:
        self._path = path
        self._pause = pause
        self._loop = loop
        self._events: Iterator[Event] = iter(())
        self._next: Event | None = None
        self._shift = 0
        """Nanoseconds from a recorded time to the time it is played."""
        self.exhausted = False

    def open(self) -> None:
        """Begin; raises OSError or ValueError if the file cannot be read."""
        self._begin(time.time_ns())

    def want(self, event_types: frozenset[str] | None) -> None:
        """A recording is played whole; the rules skip what they do not need."""

    def _begin(self, now_ns: int) -> None:
        self._events = replay.events(self._path)
        self._next = next(self._events, None)
        if self._next is None:
            raise ValueError(f"{self._path} has no events in it")
        self._shift = now_ns - self._next.time

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """Events that are due, waiting up to `timeout_s` for the first."""
        until = time.time_ns() + int(timeout_s * 1_000_000_000)
        while self._next is not None and self._next.time + self._shift <= until:
            event = self._next
            due = event.time + self._shift
            time.sleep(max(0.0, (due - time.time_ns()) / 1_000_000_000))
            event.time = due
            if event.proc is not None and event.proc.start_time:
                event.proc.start_time += self._shift
            self._advance(due)
            yield event
        time.sleep(max(0.0, (until - time.time_ns()) / 1_000_000_000))

    def _advance(self, now_ns: int) -> None:
        self._next = next(self._events, None)
        if self._next is None:
            if self._loop:
                self._begin(now_ns + int(self._pause * 1_000_000_000))
            else:
                self.exhausted = True

    def close(self) -> None:
        """Nothing is held open."""
        self._events, self._next = iter(()), None
