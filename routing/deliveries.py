"""What is owed to sinks: rung for, sent with no transaction open, and taken back.

The row is the queue; `routing.claims` says who holds it. Everything here may run twice, concurrently, or never.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from structlog.contextvars import bound_contextvars

from routing import audit, backoff, claims, delivery_log, receipts, sinks, tracing
from routing.access import Actor
from routing.claims import LEASE, Claimed, State, Tried
from routing.folding import fold
from routing.messages import alerts_of, message_for
from routing.models import Alert, Attempt, Delivery, Sink
from routing.models.encrypted import Unreadable
from routing.references import MissingSecret, resolved
from routing.settling import HEALTHY
from routing.sinks.base import Outcome, Sender, Verdict
from routing.templating import worded

log = structlog.get_logger(__name__)

PATIENCE = 0.5
"""Seconds that the deliveries of one claim may take together before the rest is given back."""


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
    """The sink's sender, or why there is none. As with refused credentials, somebody must mend something first."""
    try:
        return sinks.sender_for(sink.kind, {**sink.config, **resolved(sink.secrets)})
    except (MissingSecret, Unreadable) as error:
        wrong = f"{error}."
    except KeyError:
        # A worker of the old version meets the sinks of the new one.
        wrong = f"There is no kind of sink called {sink.kind!r} in this version"
    except TypeError:
        wrong = "The sink's options are not complete; edit the sink"
    except ValueError as error:
        wrong = str(error)
    return Outcome(Verdict.CREDENTIALS, wrong)


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
    """Deliveries whose worker died while sending: queued again, unknown where the sink forbids repeats, or given up.

    Perhaps the worker lives and the call hangs, so each claim counts as a failure of its sink.
    """
    count = 0
    blamed: set[UUID | None] = set()
    for delivery in Delivery.objects.filter(state=State.SENDING, lease_until__lt=now).select_related("sink")[:limit]:
        mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, claim=delivery.claim)
        error = "The worker went away before it wrote down how the attempt went; it may have arrived"
        changes = _after_a_crash(delivery, now)
        with transaction.atomic():
            # The sink before its deliveries, as where they are settled.
            sink = Sink.objects.select_for_update(no_key=True).defer("secrets").get(pk=delivery.sink_id)
            if not mine.update(claim=None, lease_until=None, error=error, **changes):
                continue
            if delivery.claim not in blamed:
                _held_a_worker(sink, error, now)
                blamed.add(delivery.claim)
            Attempt.objects.filter(delivery=delivery, finished_at=None).update(error=error)
        log.warning("delivery_taken_back", delivery=delivery.pk, sink=delivery.sink_id, state=changes["state"])
        count += 1
    return count


def _held_a_worker(sink: Sink, error: str, now: datetime) -> None:
    """Leave a sink alone for a while, as after a failure that took long."""
    failures = sink.failures + 1
    pause = backoff.breaker_pause(failures, backoff.LONG) or timedelta()
    Sink.objects.filter(pk=sink.pk).update(
        failures=failures, failing_since=sink.failing_since or now, last_error=error, open_until=now + pause
    )


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


def revive(sink: Sink, now: datetime) -> None:
    """After a sink was mended or enabled: forget its trouble, and what waits for it is due at once.

    Where the product itself stopped using it, it is used again; where a person paused it, it stays so.
    """
    mine = Sink.objects.filter(pk=sink.pk)
    with transaction.atomic():
        mine.exclude(disabled_reason="").update(enabled=True)
        mine.update(**HEALTHY, free_at=None, warning="", disabled_reason="", revision=F("revision") + 1)
        Delivery.objects.filter(sink=sink, state=State.QUEUED, next_attempt_at__gt=now).update(next_attempt_at=now)


def pause(sink: Sink) -> None:
    """Somebody holds back what is owed to a sink, whatever else is wrong with it."""
    Sink.objects.filter(pk=sink.pk).update(enabled=False, disabled_reason="", revision=F("revision") + 1)


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
