"""What still waits for a sink is told together, not one after the other: what was folded stands in the later message.

Messages about one group are folded when there is something new to tell: a sink that comes back after a day hears of
each group once. Firing groups of one rule are folded into a digest where the sink takes fewer messages than there are.

What was tried keeps its content with its id: a receiver that took it, and whose answer got lost, would drop a repeat
with anything that came to it since. So only what is new grows.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from routing import pacing, sinks
from routing.messages import MOST_ALERTS
from routing.models import Delivery, Receipt, Sink

State = Delivery.State
DEEP = timedelta(seconds=30)
"""A sink's queue is deep where its limit needs longer than this for it; then digests are made."""
MOST_AT_ONCE = 1000
"""Deliveries that one try of a digest takes in."""


def in_order(beside: Delivery | None = None) -> QuerySet[Delivery]:
    """Deliveries that wait for none before them; those that wait only for `beside` count as such.

    A group's messages reach a sink in order: a resolve that overtook its trigger would leave the alarm on for ever.
    """
    unsettled = Delivery.objects.filter(Q(state=State.QUEUED) | Q(state=State.SENDING), sink=OuterRef("sink"))
    # As a first row with such bounds, PostgreSQL finds it by `delivery_in_order`, whatever it believes of the queue. Of
    # "none before it" it makes a join of all pairs where the queue grew since it counted; of equals it reads all first.
    same = unsettled.filter(group__gte=OuterRef("group"), group__lte=OuterRef("group"))
    first = Subquery(same.order_by("group_id", "pk").values("pk")[:1])
    told_in_it = Delivery.objects.filter(
        folded_into=OuterRef("pk"), group=OuterRef(OuterRef("group")), pk__lt=OuterRef(OuterRef("pk"))
    )
    # One of its own group waits for it instead.
    others = unsettled.filter(other_groups__gt=0).exclude(group=OuterRef("group"))
    if beside:
        others = others.exclude(pk=beside.pk)
    return Delivery.objects.filter(Q(group=None) | Q(pk__lte=first), ~Exists(others.filter(Exists(told_in_it))))


def fold(new: Sequence[Delivery], now: datetime) -> int:
    """Let each new firing delivery stand also for those that wait before it; how many were folded.

    Called in the transaction that stored the new ones. One that is being sent at this moment is left alone.
    """
    telling = {(one.sink_id, one.group_id): one for one in new if one.state == State.QUEUED and one.event == "firing"}
    if not telling:
        return 0
    waiting = Delivery.objects.filter(
        sink_id__in={sink for sink, _ in telling},
        group_id__in={group for _, group in telling},
        state__in=Delivery.UNSETTLED,
        pk__lt=min(one.pk for one in telling.values()),
    )
    count = 0
    for old in waiting.order_by("-pk"):
        at = (old.sink_id, old.group_id)
        if at not in telling:
            continue
        if old.event != "firing" or not _take([old], telling[at], old.reason, now):
            # What lies before a group's end, or before what is under way, was told or will be.
            del telling[at]
            continue
        count += 1
    return count


def is_deep(sink: Sink, claimed: int) -> bool:
    """Whether more waits, with so many that were claimed, for a sink of digests than its limit soon lets through."""
    pace, kind = pacing.pace_of(sink), sinks.kinds().get(sink.kind)
    if pace is None or kind is None or not kind.digests:
        return False
    most = int(pace.per_minute * (DEEP / timedelta(minutes=1)))
    return Delivery.objects.filter(sink=sink, state=State.QUEUED)[: most + 1].count() + claimed > most


def before_a_digest(claimed: Sequence[Delivery], tried: Collection[int]) -> int:
    """How many claimed deliveries of one sink go before the first that may grow into a digest.

    `tried` are the keys of those that were tried before, perhaps before somebody sent them again.
    """
    return next((number for number, one in enumerate(claimed) if one.pk not in tried and _may_grow(one)), len(claimed))


def _may_grow(claimed: Delivery) -> bool:
    """Whether a delivery is told in a message of its own.

    An end is told of each group, for receivers keep what they were told of it until then.
    """
    if claimed.event != "firing":
        return False
    return not Receipt.objects.filter(sink=claimed.sink_id, group=claimed.group_id).exists()


def digest(claimed: Delivery, now: datetime) -> int:
    """Let a delivery that may grow stand for what waits about other groups of the same rule.

    Left out are groups whose message the sink would change or answer. Called in the transaction that claimed it, with
    its group read; returns how many were folded.
    """
    group = claimed.group
    if group is None:
        return 0
    known = Receipt.objects.filter(sink=OuterRef("sink"), group=OuterRef("group"))
    alike = in_order(beside=claimed).filter(
        ~Exists(known),
        sink=claimed.sink,
        route=claimed.route,
        event=claimed.event,
        state=State.QUEUED,
        group__title=group.title,
        group__priority=group.priority,
    )
    locked = alike.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return _take(list(locked[:MOST_AT_ONCE]), claimed, claimed.reason, now)


def _take(waiting: Sequence[Delivery], into: Delivery, reason: str, now: datetime) -> int:
    """Fold deliveries, oldest first, into one that then stands for their alerts; how many were still waiting."""
    ids = [one.pk for one in waiting]
    taken = Delivery.objects.filter(pk__in=ids, state=State.QUEUED).update(
        state=State.FOLDED, folded_into=into, settled_at=now
    )
    if not taken:
        return 0
    # Those that they stood for are in the same message now.
    Delivery.objects.filter(folded_into__in=ids).update(folded_into=into)
    told = [uuid for one in waiting for uuid in one.alert_ids]
    into.alert_ids = [*told, *into.alert_ids][-MOST_ALERTS:]
    into.alert_count += sum(one.alert_count for one in waiting)
    others = Delivery.objects.filter(folded_into=into).exclude(group=into.group_id)
    into.other_groups = others.order_by().values("group").distinct().count()
    into.reason = reason
    into.save(update_fields=["alert_ids", "alert_count", "other_groups", "reason"])
    return taken
