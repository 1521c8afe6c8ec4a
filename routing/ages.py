"""How long a delivery has been tried, and giving up what is too old.

Sending again begins anew: `attempts_made` counts from there, while the attempts in the log keep their numbers.
"""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery

from routing import backoff, metrics, sinks
from routing.models import Attempt, Delivery

log = structlog.get_logger(__name__)

MOST_AT_A_TIME = 1_000
_tries = Attempt.objects.filter(delivery=OuterRef("pk"))
LAST = Subquery(_tries.order_by("-number").values("number")[:1])
"""The number of a delivery's newest attempt, null where there is none."""
LATE = "Given up, for a page would come too late by now: it waited for its turn for {} hours"


def begun_at(delivery: Delivery, number: int, paging: bool) -> datetime:
    """Since when the delivery, of which this is an attempt, is tried, without what a sink that was off held it back."""
    tries = Attempt.objects.filter(delivery=delivery, number__gt=number - delivery.attempts_made).order_by("number")
    again = number > delivery.attempts_made
    moments = [*([] if again else [delivery.created_at]), *tries.values_list("started_at", flat=True)]
    begun = moments[0]
    for before, then in pairwise(moments):
        if then - before >= backoff.longest(paging):
            begun = then
    return begun


def give_up(now: datetime) -> int:
    """Pages that nobody is helped by any more, however often they were tried; how many.

    The end of a group is tried all the same, or an alarm would stay on. Those of a paused sink wait with it. What
    somebody sent again and was tried since is given up at a try.
    """
    paging = [name for name, kind in sinks.kinds().items() if kind.paging]
    longest = backoff.longest(paging=True)
    late = now - longest
    untried = Q(attempts_made=0, next_attempt_at__lte=late)
    once = Q(attempts_made__gt=0) & ~Exists(_tries.filter(number__gt=OuterRef("attempts_made")))
    old = Delivery.objects.filter(state=Delivery.State.QUEUED, created_at__lte=late, event="firing")
    theirs = old.filter(untried | once, sink__kind__in=paging, sink__enabled=True)
    with transaction.atomic():
        locked = theirs.select_for_update(skip_locked=True, of=("self",))
        found = dict(locked.values_list("pk", "sink__name")[:MOST_AT_A_TIME])
        if not found:
            return 0
        Delivery.objects.filter(pk__in=found).update(
            state=Delivery.State.FAILED, settled_at=now, error=LATE.format(longest // timedelta(hours=1))
        )
    for sink, count in Counter(found.values()).items():
        metrics.SETTLED.add(count, sink, Delivery.State.FAILED)
        log.warning("deliveries_given_up", sink=sink, count=count)
    return len(found)
