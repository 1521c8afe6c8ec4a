"""Counts that many processes keep together: each adds in memory, a thread carries the sums to Redis every second.

Web processes and workers come and go and only some of them can be asked, so what is asked for is the sum in Redis.
Adding costs a dictionary's lookup and never waits. Counting is no promise: a process that is killed takes the last
second's counts with it, and what nobody may lose is counted from its rows instead (`routing.readings`).
"""

import atexit
import os
import threading
from bisect import bisect_left
from collections import Counter as Sums
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from secrets import token_hex

import orjson
import redis
import structlog
from django.conf import settings

from routing import broker

log = structlog.get_logger(__name__)

KEPT_UNDER = "tallies"
"""Redis's key of the hash that holds every sum."""
EVERY_SECONDS = 1.0
MOST_SERIES = 200
"""Sets of labels that one tally has; what comes later is counted together under `other`."""
OTHER = "other"
# An answer that is lost on the way makes the client ask again; the batch's own key says that it was added already.
ADD_ONCE = """
if redis.call('SET', KEYS[2], '', 'NX', 'EX', 3600) then
    for i = 1, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
"""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Upper bounds of a `Timing`: from a commit to a delivery that waited for its group."""

Labels = tuple[str, ...]
Field = tuple[str, Labels, str]
"""A tally's name, its labels' values, and which of its numbers: empty, a bound, or `sum`."""


@dataclass(frozen=True)
class Tally:
    """Something counted, with the names of its labels."""

    name: str
    help: str
    labels: Labels = ()


@dataclass(frozen=True)
class Counter(Tally):
    """How often something happened."""

    def add(self, count: float = 1, *labels: str) -> None:
        """Count it; `labels` are the values, in the order of the names."""
        _sums.add([(self.name, _sums.bounded(self, labels), "", count)])


@dataclass(frozen=True)
class Timing(Tally):
    """How long something took: a histogram of seconds."""

    def add(self, seconds: float, *labels: str) -> None:
        """Count one duration."""
        self.add_all([seconds], *labels)

    def add_all(self, durations: Iterable[float], *labels: str) -> None:
        """Count many durations of one set of labels. A clock that ran backwards counts as no time at all."""
        measured = [max(0.0, seconds) for seconds in durations]
        if not measured:
            return
        labels = _sums.bounded(self, labels)
        steps: list[tuple[str, Labels, str, float]] = [
            (self.name, labels, bound_of(seconds), 1) for seconds in measured
        ]
        _sums.add([*steps, (self.name, labels, "sum", sum(measured))])


def bound_of(seconds: float) -> str:
    """The first bound that is not below it, as Prometheus spells bounds."""
    place = bisect_left(SECONDS, seconds)
    return str(SECONDS[place]) if place < len(SECONDS) else "+Inf"


class _Sums:
    """What this process has counted and not carried away yet."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As in a new process; after a fork the parent's counts stay the parent's."""
        self._lock = threading.Lock()
        self._waiting: Sums[Field] = Sums()
        self._batch: Sums[Field] = Sums()
        """What is being carried under `_batch_id`, until Redis has said that it has it."""
        self._batch_id = ""
        self._known: dict[str, set[Labels]] = {}
        self._carrying = threading.Lock()
        self._thread: threading.Thread | None = None
        self._troubled = False

    def bounded(self, tally: Tally, labels: Labels) -> Labels:
        """The labels, or `other` where the tally has as many as it may have."""
        if len(labels) != len(tally.labels):
            raise ValueError(f"{tally.name} has the labels {', '.join(tally.labels) or 'none'}")
        known = self._known.setdefault(tally.name, set())
        if labels in known:
            return labels
        if len(known) >= MOST_SERIES:
            return (OTHER,) * len(labels)
        known.add(labels)
        return labels

    def add(self, steps: Iterable[tuple[str, Labels, str, float]]) -> None:
        with self._lock:
            for name, labels, part, count in steps:
                self._waiting[name, labels, part] += count  # type: ignore[assignment]  # typed for whole numbers
            if self._thread is None:
                self._thread = threading.Thread(target=self._carry, name="tallies", daemon=True)
                self._thread.start()

    def _carry(self) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Carry everything to Redis now; what Redis does not take is kept for the next time."""
        with self._carrying:
            # What was left from the last time, and what came since; others count on meanwhile.
            for _ in range(2):
                if not self._next_batch():
                    return
                try:
                    added = [text for field, count in self._batch.items() for text in (orjson.dumps(field), str(count))]
                    kept_under = (KEPT_UNDER, f"{KEPT_UNDER}:{self._batch_id}")
                    broker.client(settings.REDIS_URL).eval(ADD_ONCE, len(kept_under), *kept_under, *added)
                except (redis.RedisError, OSError) as error:
                    if not self._troubled:
                        log.warning("tallies_not_carried", error=str(error))
                    self._troubled = True
                    return
                self._batch.clear()
                self._troubled = False

    def _next_batch(self) -> bool:
        """The batch that Redis did not confirm, or all that was counted since; False where there is neither."""
        if not self._batch:
            with self._lock:
                self._batch, self._waiting = self._waiting, self._batch
            self._batch_id = token_hex(8)
        return bool(self._batch)


_sums = _Sums()
os.register_at_fork(after_in_child=_sums.clear)
atexit.register(_sums.flush)


def flush() -> None:
    """Carry what this process has counted to Redis now."""
    _sums.flush()


def read() -> Mapping[str, Mapping[Labels, Mapping[str, float]]]:
    """The sums of all processes, by name, labels and part. Raises redis.RedisError."""
    found: dict[str, dict[Labels, dict[str, float]]] = {}
    for field, value in broker.client(settings.REDIS_URL).hgetall(KEPT_UNDER).items():
        name, labels, part = orjson.loads(field)
        found.setdefault(name, {}).setdefault(tuple(labels), {})[part] = float(value)
    return found
