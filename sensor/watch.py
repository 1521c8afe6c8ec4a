"""The watching loop: source → rules → limiter → words → out. The hot path of the sensor, and nothing else."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Event as Flag
from typing import Protocol

import structlog

from sensor.alert import Alert
from sensor.engine import Engine
from sensor.event import Event
from sensor.limits import Limiter
from sensor.stats import Stats
from sensor.wording import alert_of

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.2
"""Longest wait for an event; also how late a stop is noticed."""
EVENTS_BETWEEN_TICKS = 512
"""Under a flood one poll may go on and on; the tick must come all the same."""
POLL_FAILURES = 10
"""Failures in a row after which the source is given up; a fresh process has better chances."""


class Source(Protocol):
    """Where events come from: the kernel's probes, or a recording."""

    @property
    def lost(self) -> int:
        """Events dropped before they reached us, since the start."""

    def open(self) -> None: ...
    def want(self, event_types: frozenset[str] | None) -> None:
        """Only these event types matter from now on; None for all."""

    def poll(self, timeout_s: float) -> Iterator[Event]: ...
    def close(self) -> None: ...


class SourceFailed(Exception):
    """The source raised again and again; the text has its last error."""


class Watch:
    """Evaluates every event of a source and emits the alerts."""

    def __init__(
        self,
        source: Source,
        engine: Engine,
        hostname: str,
        emit: Callable[[Alert], None],
        limiter: Limiter | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`tick()` is called between polls, at least five times a second; no limiter lets every alert out."""
        self.stats = Stats()
        self.exhausted = False
        """A recording came to its end."""
        self._source = source
        self._engine = engine
        self._next: tuple[Engine, int] | None = None
        self._past_errors: Counter[str] = Counter()
        self._hostname = hostname
        self._emit = emit
        self._limiter = limiter
        self._tick = tick

    def use(self, engine: Engine, number: int) -> None:
        """Evaluate with the rules of another ruleset from the next poll on. Any thread may call."""
        self._next = engine, number

    @property
    def held_back(self) -> int:
        """Alerts that the limiter did not let out, since the start."""
        return self._limiter.held_back if self._limiter else 0

    @property
    def rule_errors(self) -> dict[str, int]:
        """How often each rule raised, since the start."""
        return dict(self._past_errors + Counter(self._engine.errors))

    def open(self) -> None:
        """Open the source for the event types that the rules need; raises what its `open` raises."""
        self._source.want(event_types(self._engine))
        self._source.open()

    def loop(self, stop: Flag) -> None:
        """Until stopped or the recording ends. Raises SourceFailed when polling fails for good."""
        failures = 0
        while not stop.is_set() and not self.exhausted:
            try:
                self._round(stop)
                failures = 0
            except Exception as error:
                failures += 1
                log.exception("poll_failed", failures=failures)
                if failures >= POLL_FAILURES:
                    raise SourceFailed(f"{type(error).__name__}: {error}") from error
                stop.wait(POLL_SECONDS)
            self.exhausted = getattr(self._source, "exhausted", False)

    def _round(self, stop: Flag) -> None:
        for count, event in enumerate(self._source.poll(POLL_SECONDS), 1):
            self.judge(event)
            if count % EVENTS_BETWEEN_TICKS == 0:
                self._after_events()
                if stop.is_set():
                    return
        self._after_events()

    def _after_events(self) -> None:
        self.stats.lost = self._source.lost
        if self._next is not None:
            self._past_errors.update(self._engine.errors)
            (self._engine, number), self._next = self._next, None
            self._source.want(event_types(self._engine))
            log.info("ruleset_in_force", number=number, rules=len(self._engine.rules))
        self._tick()

    def judge(self, event: Event) -> None:
        """Evaluate one event; whatever it raises is counted and costs only this event."""
        self.stats.events += 1
        try:
            for rule in self._engine.evaluate(event):
                self.stats.matches += 1
                held = self._limiter.admit(rule.name, time.monotonic()) if self._limiter else 0
                if held is not None:
                    alert = alert_of(rule, event, self._hostname)
                    alert.held_back = held
                    self._emit(alert)
        except Exception:
            self.stats.event_errors += 1
            # The first tells what is wrong; a flood of them must not become a flood of log lines.
            if self.stats.event_errors in (1, 10, 100) or self.stats.event_errors % 1000 == 0:
                log.exception("event_failed", type=event.type, failures=self.stats.event_errors)


def event_types(engine: Engine) -> frozenset[str] | None:
    """The kernel's event types that any rule can match; None if a rule can match all of them."""
    wanted: set[str] = set()
    for rule in engine.rules:
        if rule.source == "syscall":
            if rule.event_types is None:
                return None
            wanted |= rule.event_types
    return frozenset(wanted)
