"""Alerts that a search asks for, newest first, within a second whatever is asked and however many are stored.

The database is asked for ever longer stretches of keys, so that what is frequent is found at once. What an index can
find is then asked for in one go. Everything else is read until the time is up; then the answer says how far it got, and
its cursor continues from there.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from routing import matching
from routing.days import EPOCH, lowest
from routing.identity import NEAR_MS
from routing.models import Alert
from routing.patience import OutOfTime, at_most
from routing.searching import Search

SECONDS = 1.0
"""How long a search may read what no index helps with."""
COUNT_SECONDS = 0.5
FIRST = 2_000
"""Alerts of the first stretch."""
STRETCH_SECONDS = 0.25
"""What a stretch should take; the next one is as long as the last one's speed allows."""
GROWTH = 8
SELDOM = 8
"""One alert in so many, or less, is worth asking an index for."""
CANDIDATES = 25_000
"""What an index finds is sorted after it was found, so it must not be too much."""
COUNTED = 10_000
"""Beyond this nobody needs the exact number, and counting would cost more than the page."""
DEFAULT_SPAN = timedelta(hours=24)
NEAR = timedelta(milliseconds=NEAR_MS)
LAST = UUID(int=(1 << 128) - 1)

Clock = Callable[[], float]


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
        alerts = alerts.filter(pk__lt=lowest(until + NEAR), time__lt=until)
    return alerts


def find(
    alerts: QuerySet[Alert], search: Search, before: UUID | None, size: int, clock: Clock = time.monotonic
) -> Found:
    """The newest `size` of `alerts` for which the search holds, before a key."""
    if search.ordered:
        try:
            with at_most(SECONDS):
                found = _matches(alerts.filter(pk__lt=before or LAST), search, size + 1)
            return Found(found[:size], found[size - 1].pk if len(found) > size else None, None)
        except OutOfTime:
            # Something beside what the index finds is asked for, and seldom holds.
            pass
    found = []
    end = before or LAST
    for part, start in _stretches(alerts, end, clock, SECONDS):
        wanted = size + 1 - len(found)
        found += _matches(part, search, wanted)
        if len(found) > size:
            return Found(found[:size], found[size - 1].pk, None)
        if start is None:
            return Found(found, None, None)
        end = start
        if search.indexed and (rest := _by_index(alerts.filter(pk__lt=end), search, size + 1 - len(found))) is not None:
            found += rest
            more = len(found) > size
            return Found(found[:size], found[size - 1].pk if more else None, None)
    return Found(found, end, moment_of(end))


def count(alerts: QuerySet[Alert], search: Search, clock: Clock = time.monotonic) -> Count:
    """How many of `alerts` the search holds for: exact to ten thousand, if that can be counted in half a second."""
    if search.ordered:
        try:
            with at_most(COUNT_SECONDS):
                return Count(_number(alerts, search, COUNTED + 1), None)
        except OutOfTime:
            pass
    number = 0
    end = LAST
    for part, start in _stretches(alerts, end, clock, COUNT_SECONDS):
        here = _number(part, search, COUNTED + 1 - number)
        number += here
        if number > COUNTED or start is None:
            return Count(number, None)
        end = start
        # What is frequent is counted sooner without the index, which would find all of it first.
        if search.indexed and here < FIRST // SELDOM:
            return Count(number + _number(alerts.filter(pk__lt=end), search, COUNTED + 1 - number), None)
    return Count(number, moment_of(end))


def moment_of(key: UUID) -> datetime | None:
    """The time in a key; None beyond the calendar."""
    try:
        return EPOCH + timedelta(milliseconds=key.int >> 80)
    except OverflowError:
        return None


def _stretches(
    alerts: QuerySet[Alert], end: UUID, clock: Clock, seconds: float
) -> Iterator[tuple[QuerySet[Alert], UUID | None]]:
    """Parts of `alerts`, newest first, and the key that each begins at; None for the one that reaches the end."""
    began = clock()
    length = FIRST
    while True:
        rest = alerts.filter(pk__lt=end)
        started = clock()
        start = rest.order_by("-pk").values_list("pk", flat=True)[length - 1 : length].first()
        yield (rest if start is None else rest.filter(pk__gte=start)), start
        if start is None or clock() - began >= seconds:
            return
        end = start
        speed = length / max(clock() - started, 1e-4)
        left = seconds - (clock() - began)
        length = max(FIRST, min(length * GROWTH, int(speed * min(STRETCH_SECONDS, left))))


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
