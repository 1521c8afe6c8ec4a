"""Waiting until everything that was owed is done, once nothing is killed any more."""

import time
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from routing import deliveries
from routing.claims import LEASE
from routing.models import ActionRun, AlertGroup, Delivery, Sink, Unrouted

STUCK = LEASE + timedelta(seconds=90)
"""How long nothing may change: what a dead worker held comes back after its lease, and the machine may be slow."""


class Stuck(Exception):
    """Something is never done; the text says how much of what."""


def left() -> dict[str, int]:
    """What is not done yet."""
    runs, owed = ActionRun.State, Delivery.State
    states = ActionRun.objects.filter(state__in=[runs.REQUESTED, runs.APPROVED, runs.RUNNING])
    return {
        "unrouted": Unrouted.objects.count(),
        "untold groups": AlertGroup.objects.filter(count__gt=F("told_count")).count(),
        "queued": Delivery.objects.filter(state=owed.QUEUED).count(),
        "sending": Delivery.objects.filter(state=owed.SENDING).count(),
        "runs": states.count(),
    }


def wait() -> None:
    """Returns when nothing is left. What waits for a sink's next turn gets it now, as when a person enables it again.

    Raises Stuck.
    """
    before, changed = left(), time.monotonic()
    while any(before.values()):
        if time.monotonic() - changed > STUCK.total_seconds():
            raise Stuck(", ".join(f"{count} {what}" for what, count in before.items() if count))
        now = timezone.now()
        queued = Delivery.objects.filter(state=Delivery.State.QUEUED)
        later, owed = queued.filter(next_attempt_at__gt=now), queued.values("sink")
        # One that is left alone may be so for longer than nothing may change.
        for sink in Sink.objects.filter(Q(pk__in=later.values("sink")) | Q(open_until__gt=now, pk__in=owed)):
            deliveries.revive(sink, now)
        time.sleep(1.0)
        if (found := left()) != before:
            before, changed = found, time.monotonic()
