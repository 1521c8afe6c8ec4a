"""The stored alerts that wait to be routed: how many they are, for how long, and which of them for longest."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet

from routing.models import Unrouted

SLOW = 0.1
"""Seconds; where the beginning of a lane is found sooner, it is always looked for."""
SHARE = 0.05
"""Of a worker's time, that looking for it may take otherwise."""
LATE = timedelta(seconds=10)
"""By how much alerts may be stored later than they were received, and servers' clocks may differ."""

Clock = Callable[[], float]


@dataclass
class _Lane:
    """What this process knows of a lane."""

    since: datetime | None = None
    """Nothing waits for longer, unless it came late."""
    good_until: float = 0.0
    """By the clock; then the whole lane is looked at again."""


_lanes: dict[int, _Lane] = {}


def waiting(at_most: int) -> int:
    """The alerts that wait, counted no further than `at_most`: a long queue costs no more to count than that."""
    return Unrouted.objects.order_by()[:at_most].count()


def oldest() -> datetime | None:
    """When the alert was received that waits for longest; asked lane by lane, for so its index answers."""
    heads = (
        Unrouted.objects.filter(lane=lane).order_by("received_at", "pk").values_list("received_at", flat=True).first()
        for lane in range(Unrouted.LANES)
    )
    return min((head for head in heads if head is not None), default=None)


def older_than(moment: datetime) -> QuerySet[Unrouted]:
    """The alerts that have waited since before a moment. All lanes are named, for so the index answers."""
    return Unrouted.objects.filter(lane__in=range(Unrouted.LANES), received_at__lt=moment)


def longest(lane: int, limit: int, passing: Iterable[UUID] = (), clock: Clock = time.monotonic) -> list[UUID]:
    """The alerts of a lane that wait for longest, but for some.

    While a backup of PostgreSQL runs, or whatever else sees the queue as it was, nothing that was routed since then is
    cleared away: it lies before what waits, and each look would go through all of it, a second for a million. So the
    lane is then looked at from where it began before, and only now and again as a whole.
    """
    known = _lanes.setdefault(lane, _Lane())
    began = clock()
    asked = Unrouted.objects.filter(lane=lane).exclude(pk__in=passing).order_by("received_at", "pk")
    whole = known.since is None or began >= known.good_until
    if not whole:
        asked = asked.filter(received_at__gte=known.since)
    found = list(asked.values_list("pk", "received_at")[:limit])
    took = clock() - began
    begins = found[0][1] - LATE if found else None
    if whole:
        known.since, known.good_until = begins if took > SLOW else None, began + took / SHARE
    elif begins and known.since:
        known.since = max(known.since, begins)
    return [pk for pk, _ in found]
