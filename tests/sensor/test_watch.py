"""The watching loop."""

from collections.abc import Iterator
from threading import Event as Flag

from sensor.alert import Alert
from sensor.engine import Engine
from sensor.event import Event, Fd
from sensor.limits import Limiter, Rate
from sensor.rulefeed import RuleFile, compiled
from sensor.watch import EVENTS_BETWEEN_TICKS, Watch, event_types

RULES = """
- rule: Opened
  desc: A test.
  condition: evt.type = openat and fd.name = /secret
  output: opened (file=%fd.name)
  priority: WARNING
- rule: Started
  desc: A test.
  condition: evt.type in (execve, execveat)
  output: started
  priority: NOTICE
"""


def engine(text: str = RULES) -> Engine:
    return Engine(compiled([RuleFile("rules.yaml", text)]))


class Batch:
    """A source that gives its events in one poll and is then exhausted."""

    def __init__(self, *events: Event) -> None:
        self.lost = 3
        self.exhausted = False
        self.wanted: list[frozenset[str] | None] = []
        self._events = events

    def open(self) -> None:
        """Nothing to open."""

    def want(self, types: frozenset[str] | None) -> None:
        self.wanted.append(types)

    def poll(self, timeout_s: float) -> Iterator[Event]:
        yield from self._events
        self.exhausted = True

    def close(self) -> None:
        """Nothing to close."""


def opened(path: str = "/secret") -> Event:
    return Event("openat", 1, fd=Fd(name=path))


def test_matches_come_out_as_alerts_and_are_counted() -> None:
    alerts: list[Alert] = []
    watch = Watch(Batch(opened(), opened("/other"), opened()), engine(), "node-1", alerts.append)
    watch.loop(Flag())
    assert [alert.rule for alert in alerts] == ["Opened", "Opened"]
    assert (watch.stats.events, watch.stats.matches, watch.stats.lost) == (3, 2, 3)


def test_held_alerts_are_not_worded_and_travel_as_a_number() -> None:
    alerts: list[Alert] = []
    limiter = Limiter(Rate(0.001, 1), Rate(100.0, 100))
    watch = Watch(Batch(opened(), opened(), opened()), engine(), "node-1", alerts.append, limiter)
    watch.loop(Flag())
    assert len(alerts) == 1
    assert watch.held_back == 2


def test_an_event_that_cannot_be_worded_costs_only_itself() -> None:
    told: list[Alert] = []

    def emit(alert: Alert) -> None:
        if not told:
            told.append(alert)
            raise ValueError("no")
        told.append(alert)

    watch = Watch(Batch(opened(), opened()), engine(), "node-1", emit)
    watch.loop(Flag())
    assert len(told) == 2
    assert watch.stats.event_errors == 1


def test_the_tick_comes_even_while_events_never_stop() -> None:
    ticks: list[int] = []
    watch = Watch(
        Batch(*[opened("/other")] * (3 * EVENTS_BETWEEN_TICKS)),
        engine(),
        "node-1",
        lambda alert: None,
        tick=lambda: ticks.append(watch.stats.events),
    )
    watch.loop(Flag())
    assert ticks[:3] == [EVENTS_BETWEEN_TICKS, 2 * EVENTS_BETWEEN_TICKS, 3 * EVENTS_BETWEEN_TICKS]


def test_a_stop_is_noticed_in_the_middle_of_a_flood() -> None:
    stop = Flag()
    stop.set()
    watch = Watch(Batch(*[opened()] * 10_000), engine(), "node-1", lambda alert: None)
    watch._round(stop)
    assert watch.stats.events == EVENTS_BETWEEN_TICKS


def test_the_source_hears_what_the_rules_need_at_the_start_and_after_a_swap() -> None:
    source = Batch(opened())
    watch = Watch(source, engine(), "node-1", lambda alert: None)
    watch.open()
    watch.use(engine(RULES.split("- rule: Started")[0]), 2)
    watch.loop(Flag())
    assert source.wanted == [frozenset({"openat", "execve", "execveat"}), frozenset({"openat"})]


def test_a_rule_that_may_match_anything_needs_every_event() -> None:
    assert event_types(engine(RULES.replace("evt.type = openat and ", ""))) is None
