"""What people do about deliveries: send them again, have them tried at once, or give up on them."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from routing import audit, folding
from routing.access import Actor
from routing.models import AlertGroup, Delivery, Sink
from routing.templatetags.display import span

State = Delivery.State
MOST_IN_A_RANGE = 10_000
"""Deliveries that are sent again or discarded at a time."""


@dataclass(frozen=True)
class Change:
    """What a person may do to a delivery: the verb for the audit log, from which states, and to which."""

    verb: str
    may: frozenset[State]
    to: State


SEND_AGAIN = Change("send again", frozenset(State) - {State.SENDING, State.FOLDED}, State.QUEUED)
TRY_NOW = Change("try now", frozenset({State.QUEUED}), State.QUEUED)
DISCARD = Change("discard", frozenset({State.QUEUED, *Delivery.DEAD}), State.DISCARDED)


def retry(delivery: Delivery, by: Actor, now: datetime, ip: str | None = None) -> bool:
    """Somebody sends it again, or at once; False where it is being sent at this moment, or stands in another."""
    return _change(Delivery.objects.filter(pk=delivery.pk), SEND_AGAIN, by, now, ip) == [delivery.pk]


def try_now(delivery: Delivery, by: Actor, now: datetime, ip: str | None = None) -> bool:
    """Somebody has it tried at once, also where its sink is left alone: one message finds out whether it works.

    False where it does not wait.
    """
    with transaction.atomic():
        if not _change(Delivery.objects.filter(pk=delivery.pk), TRY_NOW, by, now, ip):
            return False
        Sink.objects.filter(pk=delivery.sink_id, open_until__gt=now).update(open_until=now)
    return True


def held_back(delivery: Delivery, now: datetime) -> str:
    """What holds a delivery that waits, in a sentence; empty where its turn comes within a second."""
    sink = delivery.sink
    later = max(delivery.next_attempt_at, sink.open_until or now, sink.free_at or now)
    wait = span((later - now).total_seconds())
    if not sink.enabled:
        how = "switched off" if sink.disabled_reason else "paused"
        return f"The sink {sink} is {how}: it waits until somebody presses Resume there."
    if sink.open_until and sink.open_until > now:
        return f"The sink {sink} is in trouble and is left alone for {wait}."
    if delivery.next_attempt_at > now:
        return f"It is tried again in {wait}."
    if not folding.in_order().filter(pk=delivery.pk).exists():
        return "An earlier message about its group goes first."
    if sink.free_at and sink.free_at > now:
        return f"The sink {sink} takes no more at a time: it waits for its turn, {wait} or more."
    return ""


def retry_all(wanted: QuerySet[Delivery], by: Actor, now: datetime, ip: str | None = None) -> list[int]:
    """Somebody sends a range again, at most `MOST_IN_A_RANGE` of it, oldest first; their ids.

    The messages keep their uuids, so receivers see repeats.
    """
    return _change(repeatable(wanted), SEND_AGAIN, by, now, ip)


def repeatable(wanted: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """What of a range can be sent again: no tests, and no beginnings of what ended, which nothing would end again."""
    over = Q(event="firing", group__state=AlertGroup.State.RESOLVED)
    return wanted.filter(state__in=SEND_AGAIN.may).exclude(event="test").exclude(over)


def discardable(wanted: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """What of a range can be given up on."""
    return wanted.filter(state__in=DISCARD.may)


def by_state(chosen: QuerySet[Delivery]) -> dict[str, int]:
    """How many there are in each state; counted up to one more than are changed at a time."""
    some = chosen.order_by().values("pk")[: MOST_IN_A_RANGE + 1]
    counted = Delivery.objects.filter(pk__in=some).order_by("state").values_list("state")
    return dict(counted.annotate(Count("pk")))


def discard(delivery: Delivery, by: Actor, now: datetime, ip: str | None = None) -> bool:
    """Somebody gives up on it; False where it is being sent at this moment, or was sent."""
    return _change(Delivery.objects.filter(pk=delivery.pk), DISCARD, by, now, ip) == [delivery.pk]


def discard_all(wanted: QuerySet[Delivery], by: Actor, now: datetime, ip: str | None = None) -> list[int]:
    """Somebody gives up on a range, at most `MOST_IN_A_RANGE` of it, oldest first; their ids."""
    return _change(discardable(wanted), DISCARD, by, now, ip)


def _change(wanted: QuerySet[Delivery], change: Change, by: Actor, now: datetime, ip: str | None) -> list[int]:
    """Make a change to those that it may be made to, and write one entry for all of them."""
    with transaction.atomic():
        may = wanted.filter(state__in=change.may).order_by("pk")
        # Of the deliveries alone: PostgreSQL cannot lock what an outer join may leave empty.
        chosen = list(may.select_for_update(of=("self",)).only("pk", "state", "event", "sink_id")[:MOST_IN_A_RANGE])
        if not chosen:
            return []
        ids = [delivery.pk for delivery in chosen]
        values: dict[str, Any] = {"state": change.to, "settled_at": now}
        if change.to == State.QUEUED:
            # Who sends again begins anew: one more failure is the first.
            values |= {"settled_at": None, "next_attempt_at": now, "attempts_made": 0}
        Delivery.objects.filter(pk__in=ids).update(**values)
        after: dict[str, Any] = {"state": change.to.value}
        if len(ids) == 1:
            audit.record(by, change.verb, chosen[0], {"state": chosen[0].state}, after, ip=ip, now=now)
        else:
            before = {"states": dict(Counter(delivery.state for delivery in chosen))}
            after |= {"deliveries": len(ids), "first": ids[0], "last": ids[-1]}
            audit.record(by, change.verb, f"deliveries {ids[0]} to {ids[-1]}", before, after, ip=ip, now=now)
    return ids
