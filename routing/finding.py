"""Alerts that a search asks for, newest first, within about a second whatever is asked and however many are stored.

The database is asked for ever longer stretches of keys, so that what is frequent is found at once. What an index can
find is then asked for in one go. Everything else is read until the time is up; then the answer says how far it got, and
its cursor continues from there. So what is searched in is chosen by nothing but time: a stretch of it is found at once.
Whatever else chooses belongs into the search.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import QuerySet

from routing import matching
from routing.days import EPOCH, lowest
from routing.identity import NEAR_MS
from routing.models import Alert
from routing.paging import COUNTED
from routing.patience import OutOfTime, at_most
from routing.searching import Search

SECONDS = 1.0
"""How long a search may take; half of it for what an index ought to find."""
COUNT_SECONDS = 0.5
LEAST = 0.1
"""Seconds that a query gets where fewer are left."""
FIRST = 2_000
"""Alerts of the first stretch."""
STRETCH_SECONDS = 0.25
"""What a stretch should take; the next one is as long as the last one's speed allows."""
GROWTH = 8
SELDOM = 8
"""One alert in so many, or less, is worth asking an index for."""
CANDIDATES = 25_000
"""What an index finds is sorted after it was found, so it must not be too much."""
DEFAULT_SPAN = timedelta(hours=24)
NEAR = timedelta(milliseconds=NEAR_MS)
LAST = UUID(int=(1 << 128) - 1)

Clock = Callable[[], float]
Read = TypeVar("Read")


@dataclass(frozen=True)
class Found:
    """Some alerts, newest first."""

    alerts: list[Alert]
    older: UUID | None
    """Where to continue: alerts before this key; None where there are no more."""
    read_to: datetime | None
    """How far back it read, where it ran out of time before it had enough; else None."""


@dataclass(frozen=True)
class Count:
    """How many alerts were found."""

    number: int
    read_to: datetime | None
    """How far back it counted, where it ran out of time; else None."""

    def __str__(self) -> str:
        if self.number > COUNTED:
            return f"{COUNTED:,}+"
        return f"{self.number:,}{'+' if self.read_to else ''}"


def between(since: datetime | None, until: datetime | None) -> QuerySet[Alert]:
    """Alerts of a span of time, `until` left out. The keys narrow it, for they are ordered by nearly the same time."""
    alerts = Alert.objects.all()
    if since is not None:
        alerts = alerts.filter(pk__gte=lowest(since - NEAR) if since > EPOCH + NEAR else UUID(int=0), time__gte=since)
    if until is not None:
        # A key has whole milliseconds.
        alerts = alerts.filter(pk__lt=lowest(until + NEAR + timedelta(milliseconds=1)), time__lt=until)
    return alerts


def find(
    alerts: QuerySet[Alert], search: Search, before: UUID | None, size: int, clock: Clock = time.monotonic
) -> Found:
    """The newest `size` of `alerts` for which the search holds, before a key."""
    reading = _Reading(alerts, before or LAST, SECONDS, clock)
    if search.ordered:
        # Where it takes long, something beside what the index finds is asked for, and seldom holds.
        with suppress(OutOfTime), at_most(SECONDS / 2):
            return _page(_matches(reading.rest, search, size + 1), size)
    found: list[Alert] = []
    ask_index = search.indexed
    for rows in reading.stretches(partial(_matches, search=search, wanted=size + 1)):
        found += rows
        if len(found) > size or reading.whole:
            return _page(found, size)
        if ask_index:
            ask_index = False
            with suppress(OutOfTime), at_most(SECONDS / 2):
                if (others := _by_index(reading.rest, search, size + 1 - len(found))) is not None:
                    return _page(found + others, size)
    return Found(found, reading.end, moment_of(reading.end))


def count(alerts: QuerySet[Alert], search: Search, clock: Clock = time.monotonic) -> Count:
    """How many of `alerts` the search holds for: exact to ten thousand, if that can be counted in half a second."""
    reading = _Reading(alerts, LAST, COUNT_SECONDS, clock)
    number = 0
    if search.ordered:
        with suppress(OutOfTime), at_most(COUNT_SECONDS / 2):
            return Count(_number(alerts, search, COUNTED + 1), None)
    ask_index = search.indexed
    for here in reading.stretches(partial(_number, search=search, most=COUNTED + 1)):
        number += here
        if number > COUNTED or reading.whole:
            return Count(number, None)
        # What is frequent is counted sooner without the index, which would find all of it first.
        if ask_index and here < FIRST // SELDOM:
            with suppress(OutOfTime), at_most(COUNT_SECONDS / 2):
                return Count(number + _number(reading.rest, search, COUNTED + 1 - number), None)
        ask_index = False
    return Count(number, moment_of(reading.end))


def moment_of(key: UUID) -> datetime | None:
    """The time in a key; None beyond the calendar."""
    try:
        return EPOCH + timedelta(milliseconds=key.int >> 80)
    except OverflowError:
        return None


class _Reading:
    """Alerts of a span, read in stretches, newest first, until the time is up."""

    def __init__(self, alerts: QuerySet[Alert], end: UUID, seconds: float, clock: Clock) -> None:
        self.end = end
        """What lies before this key was not read yet."""
        self.whole = False
        """Nothing lies before it."""
        self._alerts = alerts
        self._clock = clock
        self._until = clock() + seconds

    @property
    def rest(self) -> QuerySet[Alert]:
        """What was not read yet."""
        return self._alerts.filter(pk__lt=self.end)

    def stretches(self, read: Callable[[QuerySet[Alert]], Read]) -> Iterator[Read]:
        """What `read` makes of each stretch. The first one is read however long it takes: so it always goes on."""
        length = FIRST
        limit: AbstractContextManager[None] = nullcontext()
        while not self.whole:
            started = self._clock()
            rest = self.rest
            try:
                with limit:
                    start = rest.order_by("-pk").values_list("pk", flat=True)[length - 1 : length].first()
                    found = read(rest if start is None else rest.filter(pk__gte=start))
            except OutOfTime:
                return
            self.whole, self.end = start is None, start or self.end
            yield found
            now = self._clock()
            if (left := self._until - now) <= 0:
                return
            limit = at_most(max(left, LEAST))
            speed = length / max(now - started, 1e-4)
            length = max(FIRST, min(length * GROWTH, int(speed * min(STRETCH_SECONDS, left))))


def _page(rows: list[Alert], size: int) -> Found:
    """One alert more than a page was asked for: then there is another page."""
    return Found(rows[:size], rows[size - 1].pk if len(rows) > size else None, None)


def _matches(part: QuerySet[Alert], search: Search, wanted: int) -> list[Alert]:
    rows = part.filter(search.query).order_by("-pk").select_related("sensor")
    if search.predicate is None:
        return list(rows[:wanted])
    found: list[Alert] = []
    for alert in rows.iterator(chunk_size=500):
        if matching.holds(search.predicate, alert, "search"):
            found.append(alert)
            if len(found) == wanted:
                break
    return found


def _by_index(rest: QuerySet[Alert], search: Search, wanted: int) -> list[Alert] | None:
    """What is left, found without an order and put into it here; None where it is too much for that."""
    keys: list[Any] = list(rest.filter(search.query).order_by().values_list("pk", flat=True)[: CANDIDATES + 1])
    if len(keys) > CANDIDATES:
        return None
    newest = sorted(keys, reverse=True)[:wanted]
    found = Alert.objects.select_related("sensor").in_bulk(newest)
    return [found[key] for key in newest if key in found]


def _number(part: QuerySet[Alert], search: Search, most: int) -> int:
    if search.predicate is None:
        return part.filter(search.query).order_by()[:most].count()
    return len(_matches(part, search, most))
