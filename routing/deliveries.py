"""What is owed to sinks: rung for, sent with no transaction open, taken back, and what people do about it.

The row is the queue; `routing.claims` says who holds it. Everything here may run twice, concurrently, or never.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from structlog.contextvars import bound_contextvars

from routing import audit, backoff, claims, delivery_log, receipts, sinks, tracing
from routing.access import Actor
from routing.claims import LEASE, Claimed, State, Tried
from routing.folding import fold
from routing.messages import alerts_of, message_for
from routing.models import Alert, AlertGroup, Attempt, Delivery, Sink
from routing.references import MissingSecret, resolved
from routing.settling import HEALTHY
from routing.sinks.base import Outcome, Sender, Verdict
from routing.templating import worded

log = structlog.get_logger(__name__)

MOST_IN_A_RANGE = 10_000
"""Deliveries that are sent again or discarded at a time."""
PATIENCE = 0.5
"""Seconds that the deliveries of one claim may take together before the rest is given back."""


@dataclass(frozen=True)
class Change:
    """What a person may do to a delivery: the verb for the audit log, from which states, and to which."""

    verb: str
    may: frozenset[State]
    to: State


SEND_AGAIN = Change("send again", frozenset(State) - {State.SENDING, State.FOLDED}, State.QUEUED)
DISCARD = Change("discard", frozenset({State.QUEUED, State.FAILED, State.UNKNOWN}), State.DISCARDED)


def due(now: datetime) -> list[int]:
    """Sinks to ring for: those that are willing and have a delivery that is due."""
    waiting = claims.ready(now).filter(sink=OuterRef("pk")).order_by()
    return list(claims.willing(now).filter(Exists(waiting)).order_by("pk").values_list("pk", flat=True))


def send_next(sink_id: int, most: int, now: datetime) -> list[Attempt]:
    """Try the next deliveries that are due for a sink, up to the first that fails."""
    return try_all(claims.claim(Q(sink=sink_id), most, now), now)


def try_all(claimed: list[Claimed], now: datetime) -> list[Attempt]:
    """Send what was claimed, one after the other, and write down how it went."""
    if not claimed:
        return []
    sender = _sender(claimed[0].delivery.sink)
    if isinstance(sender, Sender) and not sender.may_repeat():
        # If this worker dies, everything it holds counts as perhaps arrived and is not sent again.
        claims.release(claimed[1:])
        del claimed[1:]
    alerts = alerts_of(one.delivery for one in claimed)
    keeps = isinstance(sender, Sender) and sender.keeps_receipts
    kept = receipts.of(one.delivery for one in claimed) if keeps else {}
    began = time.monotonic()
    tries: list[Tried] = []
    for one in claimed:
        before = time.monotonic()
        if tries and (tries[-1].outcome.verdict is not Verdict.SENT or before - began > PATIENCE):
            break
        with bound_contextvars(delivery=one.delivery.pk, sink=one.delivery.sink_id, attempt=one.attempt.number):
            outcome = sender if isinstance(sender, Outcome) else _outcome(sender, one.delivery, alerts, kept)
        after = time.monotonic()
        tries.append(Tried(one, outcome, now + timedelta(seconds=after - began), after - before))
    claims.settle(tries, claimed[len(tries) :], None if isinstance(sender, Outcome) else sender)
    for tried in tries:
        delivery_log.tried(tried, alerts)
    return [tried.claimed.attempt for tried in tries]


def _sender(sink: Sink) -> Sender | Outcome:
    """The sink's sender, or why there is none: as with refused credentials, somebody must mend something first."""
    try:
        return sinks.sender_for(sink.kind, {**sink.config, **resolved(sink.secrets)})
    except MissingSecret as error:
        return Outcome(Verdict.CREDENTIALS, f"{error}.")
    except KeyError:
        return Outcome(Verdict.CREDENTIALS, f"There is no kind of sink called {sink.kind!r} in this version")
    except TypeError:
        return Outcome(Verdict.CREDENTIALS, "The sink's options are not complete; edit the sink")
    except ValueError as error:
        return Outcome(Verdict.CREDENTIALS, str(error))


def _outcome(sender: Sender, delivery: Delivery, alerts: dict[str, Alert], kept: dict[int, dict[str, str]]) -> Outcome:
    """Hand the message to the sink. Whatever goes wrong in there is this delivery's trouble and nobody else's."""
    sink = delivery.sink
    try:
        with tracing.span("delivery.attempt", delivery=delivery.pk, sink=delivery.sink_id, kind=sender.kind):
            usual = message_for(delivery, alerts, kept)
            message, wrong = worded(usual, sender.takes, sink.title_template, sink.body_template)
            outcome = sender.deliver(message)
        said = "; ".join(filter(None, (outcome.error, sender.masked(wrong))))
        return replace(outcome, error=said)
    except Exception as error:
        # The exception's text may hold what was sent; its class is enough to find it.
        log.error("sink_failed", error=type(error).__name__)
        text = f"The {sender.label} sink could not make or send the message ({type(error).__name__})"
        return Outcome(Verdict.RETRY, text, arrived=True)


def take_back(now: datetime, limit: int = 200) -> int:
    """Deliveries whose worker died while sending: queued again, unknown where the sink forbids repeats, or given up."""
    count = 0
    for delivery in Delivery.objects.filter(state=State.SENDING, lease_until__lt=now).select_related("sink")[:limit]:
        mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, claim=delivery.claim)
        error = "The worker went away before it wrote down how the attempt went; it may have arrived"
        changes = _after_a_crash(delivery, now)
        with transaction.atomic():
            if not mine.update(claim=None, lease_until=None, error=error, **changes):
                continue
            Attempt.objects.filter(delivery=delivery, number=delivery.attempts_made, finished_at=None).update(
                error=error
            )
        log.warning("delivery_taken_back", delivery=delivery.pk, sink=delivery.sink_id, state=changes["state"])
        count += 1
    return count


def _after_a_crash(delivery: Delivery, now: datetime) -> dict[str, Any]:
    sender = _sender(delivery.sink)
    if isinstance(sender, Outcome):
        # The next try will say what is wrong with the sink.
        return {"state": State.QUEUED, "next_attempt_at": now}
    if not sender.may_repeat():
        return {"state": State.UNKNOWN, "settled_at": now}
    if delivery.attempts_made >= backoff.most_attempts(sender.paging):
        # Perhaps this very message is what ends the workers.
        return {"state": State.FAILED, "settled_at": now}
    return {"state": State.QUEUED, "next_attempt_at": now}


def retry(delivery: Delivery, by: Actor, now: datetime, ip: str | None = None) -> bool:
    """Somebody sends it again, or at once; False where it is being sent at this moment, or stands in another."""
    return _change(Delivery.objects.filter(pk=delivery.pk), SEND_AGAIN, by, now, ip) == [delivery.pk]


def retry_all(wanted: QuerySet[Delivery], by: Actor, now: datetime, ip: str | None = None) -> list[int]:
    """Somebody sends a range again, at most `MOST_IN_A_RANGE` of it, oldest first; their ids.

    The messages keep their uuids, so receivers see repeats. Left out are tests, and beginnings of what ended: they
    would open a page that nothing closes again.
    """
    over = Q(event="firing", group__state=AlertGroup.State.RESOLVED)
    return _change(wanted.exclude(event="test").exclude(over), SEND_AGAIN, by, now, ip)


def discard(delivery: Delivery, by: Actor, now: datetime, ip: str | None = None) -> bool:
    """Somebody gives up on it; False where it is being sent at this moment, or was sent."""
    return _change(Delivery.objects.filter(pk=delivery.pk), DISCARD, by, now, ip) == [delivery.pk]


def discard_all(wanted: QuerySet[Delivery], by: Actor, now: datetime, ip: str | None = None) -> list[int]:
    """Somebody gives up on a range, at most `MOST_IN_A_RANGE` of it, oldest first; their ids."""
    return _change(wanted, DISCARD, by, now, ip)


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
            values |= {"settled_at": None, "next_attempt_at": now}
        Delivery.objects.filter(pk__in=ids).update(**values)
        after: dict[str, Any] = {"state": change.to.value}
        if len(ids) == 1:
            audit.record(by, change.verb, chosen[0], {"state": chosen[0].state}, after, ip=ip, now=now)
        else:
            before = {"states": dict(Counter(delivery.state for delivery in chosen))}
            after |= {"deliveries": len(ids), "first": ids[0], "last": ids[-1]}
            audit.record(by, change.verb, f"deliveries {ids[0]} to {ids[-1]}", before, after, ip=ip, now=now)
    return ids


def revive(sink: Sink, now: datetime) -> None:
    """After a sink was mended or enabled: forget its trouble, and what waits for it is due at once."""
    with transaction.atomic():
        Sink.objects.filter(pk=sink.pk).update(**HEALTHY, warning="", disabled_reason="")
        Delivery.objects.filter(sink=sink, state=State.QUEUED, next_attempt_at__gt=now).update(next_attempt_at=now)


def test(sink: Sink, by: Actor, now: datetime, ip: str | None) -> Attempt:
    """Send a test message now and wait for the outcome, also to a disabled sink. It is never tried again."""
    with transaction.atomic():
        delivery = Delivery.objects.create(
            sink=sink,
            event="test",
            reason="the Test button was pressed",
            state=State.SENDING,
            claim=uuid4(),
            lease_until=now + LEASE,
            attempts_made=1,
            alert_count=1,
            next_attempt_at=now,
            created_at=now,
        )
        attempt = Attempt.objects.create(delivery=delivery, number=1, started_at=now)
        audit.record(by, "test", sink, ip=ip, now=now)
    try_all([Claimed(delivery, attempt)], now)
    if attempt.outcome == Attempt.Outcome.RETRY:
        # Whoever pressed the button sees what went wrong, and presses it again.
        with transaction.atomic():
            attempt.outcome = Attempt.Outcome.FAILED
            attempt.save(update_fields=["outcome"])
            Delivery.objects.filter(pk=delivery.pk, state=State.QUEUED).update(state=State.FAILED, settled_at=now)
    return attempt


def enqueue(owed: Iterable[Delivery], now: datetime) -> list[int]:
    """Store what was planned, in the transaction that decided it; the sinks to ring for."""
    stored = Delivery.objects.bulk_create(list(owed))
    fold(stored, now)
    delivery_log.planned(Counter(one.state for one in stored))
    return sorted({one.sink_id for one in stored if one.state == State.QUEUED})
