"""What is owed to sinks: planned with the decision that owes it, claimed, sent with no transaction open, settled.

The row is the queue. A claim is a conditional update that names the try and holds it for a while; whoever settles
must name it too, so that a worker that was given up on cannot overwrite its successor. An attempt is written before
the call and completed after it: one without an outcome is a try of which nobody knows whether it arrived.
"""

import random
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from routing import audit, sinks
from routing.messages import message_for
from routing.models import Attempt, Delivery, Sink
from routing.settling import settle
from routing.sinks.base import Outcome, Sender, Verdict

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a try may take before its worker counts as dead; more than twice what the outbound client allows."""
MOST_IN_FLIGHT = 2
"""Tries of one sink at a time, about: a receiver that hangs must not hold every worker."""
State = Delivery.State
_OPEN = (State.QUEUED, State.SENDING)
# A group's messages reach a sink in order: a resolve that overtook its trigger would leave the alarm on for ever.
_EARLIER = Delivery.objects.filter(
    sink=OuterRef("sink"), group=OuterRef("group"), pk__lt=OuterRef("pk"), state__in=_OPEN
)


def _willing(now: datetime) -> QuerySet[Sink]:
    """Sinks that may be sent to: enabled, not left alone after trouble, and not busy."""
    sending = Delivery.objects.filter(sink=OuterRef("pk"), state=State.SENDING).order_by()
    busy = sending.values("sink").annotate(tries=Count("pk")).filter(tries__gte=MOST_IN_FLIGHT)
    return Sink.objects.filter(~Exists(busy), Q(open_until=None) | Q(open_until__lte=now), enabled=True)


def next_for(sink_id: int, now: datetime) -> list[int]:
    """The deliveries of one sink that are due, longest due first; some, for others may take the first of them."""
    waiting = Delivery.objects.filter(~Exists(_EARLIER), sink=sink_id, state=State.QUEUED, next_attempt_at__lte=now)
    return list(waiting.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[: MOST_IN_FLIGHT + 1])


def due(now: datetime, per_sink: int = 50) -> list[int]:
    """Deliveries to ring for: of each enabled sink the `per_sink` longest due, of one that was in trouble one."""
    found: list[int] = []
    for sink in _willing(now):
        waiting = Delivery.objects.filter(~Exists(_EARLIER), sink=sink, state=State.QUEUED, next_attempt_at__lte=now)
        most = per_sink if sink.open_until is None else 1
        found += waiting.order_by("next_attempt_at").values_list("pk", flat=True)[:most]
    return found


def send(delivery_id: int, now: datetime) -> Attempt | None:
    """Try one delivery once; None where there is nothing to do. Safe to call twice, concurrently, or never."""
    claimed = _claim(delivery_id, now)
    return _try(*claimed, now) if claimed else None


def _claim(delivery_id: int, now: datetime) -> tuple[Delivery, Attempt] | None:
    """Take a queued delivery that is due, whose sink is willing and whose group has nothing earlier to tell it."""
    with transaction.atomic():
        taken = Delivery.objects.filter(
            # No joins here: with one, the state would be read in a subquery of an older snapshot on PostgreSQL.
            Exists(_willing(now).filter(pk=OuterRef("sink"))),
            ~Exists(_EARLIER),
            pk=delivery_id,
            state=State.QUEUED,
            next_attempt_at__lte=now,
        ).update(state=State.SENDING, claim=uuid4(), lease_until=now + LEASE, attempts_made=F("attempts_made") + 1)
        if not taken:
            return None
        delivery = Delivery.objects.select_related("sink", "group", "route").get(pk=delivery_id)
        sink = delivery.sink
        if sink.open_until is not None:
            # The sink was in trouble. One delivery finds out whether it still is; the others wait for it.
            probing = Sink.objects.filter(pk=sink.pk, open_until=sink.open_until).update(open_until=now + LEASE)
            if not probing:
                transaction.set_rollback(True)
                return None
        attempt = Attempt.objects.create(delivery=delivery, number=delivery.attempts_made, started_at=now)
        return delivery, attempt


def _try(delivery: Delivery, attempt: Attempt, now: datetime) -> Attempt:
    """Send what was claimed, and write down how it went."""
    began = time.monotonic()
    outcome, sender = _outcome(delivery)
    seconds = time.monotonic() - began
    _settle(delivery, attempt, outcome, sender, now + timedelta(seconds=seconds), seconds)
    return attempt


def _outcome(delivery: Delivery) -> tuple[Outcome, Sender | None]:
    """Hand the message to the sink. Whatever goes wrong in there is this delivery's trouble and nobody else's."""
    sink = delivery.sink
    try:
        sender = sinks.sender_for(sink.kind, {**sink.config, **sink.secrets})
    except KeyError:
        return Outcome(Verdict.FAILED, f"There is no kind of sink called {sink.kind!r} in this version"), None
    except TypeError:
        return Outcome(Verdict.FAILED, "The sink's options are not complete; edit the sink"), None
    try:
        return sender.deliver(message_for(delivery)), sender
    except Exception as error:
        # The exception's text may hold what was sent; its class is enough to find it.
        log.error("sink_failed", sink=sink.pk, kind=sink.kind, delivery=delivery.pk, error=type(error).__name__)
        text = f"The {sender.label} sink could not make or send the message ({type(error).__name__})"
        return Outcome(Verdict.RETRY, text, arrived=True), sender


def _settle(
    delivery: Delivery, attempt: Attempt, outcome: Outcome, sender: Sender | None, now: datetime, seconds: float
) -> None:
    settlement = settle(
        outcome,
        type(sender) if sender else Sender,
        may_repeat=sender.may_repeat() if sender else True,
        attempts=attempt.number,
        failures=delivery.sink.failures,
        now=now,
        roll=random.random(),  # noqa: S311  # spreads retries, guards nothing
    )
    attempt.outcome = settlement.attempt
    attempt.finished_at = now
    attempt.status = outcome.status
    attempt.latency_ms = round(seconds * 1000)
    attempt.request, attempt.response, attempt.error = outcome.request, outcome.response, outcome.error
    with transaction.atomic():
        attempt.save(update_fields=["outcome", "finished_at", "status", "latency_ms", "request", "response", "error"])
        mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, claim=delivery.claim)
        if not mine.update(claim=None, lease_until=None, **settlement.delivery):
            log.warning("delivery_settled_late", delivery=delivery.pk, attempt=attempt.number)
        Sink.objects.filter(pk=delivery.sink_id).update(**settlement.sink)
    log.info(
        "delivery_tried",
        delivery=delivery.pk,
        sink=delivery.sink_id,
        attempt=attempt.number,
        outcome=outcome.verdict,
        status=outcome.status,
        latency_ms=attempt.latency_ms,
    )


def take_back(now: datetime, limit: int = 200) -> int:
    """Deliveries whose worker died while sending: queued again, or unknown where the sink forbids repeats."""
    count = 0
    for delivery in Delivery.objects.filter(state=State.SENDING, lease_until__lt=now).select_related("sink")[:limit]:
        mine = Delivery.objects.filter(pk=delivery.pk, state=State.SENDING, claim=delivery.claim)
        error = "The worker went away before it wrote down how the attempt went; it may have arrived"
        if _may_repeat(delivery.sink):
            changes = {"state": State.QUEUED, "next_attempt_at": now}
        else:
            changes = {"state": State.UNKNOWN, "settled_at": now}
        with transaction.atomic():
            if not mine.update(claim=None, lease_until=None, error=error, **changes):
                continue
            Attempt.objects.filter(delivery=delivery, number=delivery.attempts_made, finished_at=None).update(
                error=error
            )
        log.warning("delivery_taken_back", delivery=delivery.pk, sink=delivery.sink_id, state=changes["state"])
        count += 1
    return count


def _may_repeat(sink: Sink) -> bool:
    try:
        return sinks.sender_for(sink.kind, {**sink.config, **sink.secrets}).may_repeat()
    except (KeyError, TypeError):
        return True  # The next try will say what is wrong with the sink.


def retry(delivery: Delivery, by: AbstractBaseUser, now: datetime) -> bool:
    """A person sends it again, or at once; False where it is being sent at this moment."""
    return retry_all(Delivery.objects.filter(pk=delivery.pk), by, now) == [delivery.pk]


def retry_all(deliveries: QuerySet[Delivery], by: AbstractBaseUser, now: datetime) -> list[int]:
    """A person sends a range again; the ids to ring for. The messages keep their uuids, so receivers see repeats."""
    with transaction.atomic():
        chosen = list(deliveries.exclude(state__in=[State.SENDING, State.FOLDED]).order_by("pk").select_for_update())
        ids = [delivery.pk for delivery in chosen]
        Delivery.objects.filter(pk__in=ids).update(
            state=State.QUEUED, next_attempt_at=now, settled_at=None, claim=None, lease_until=None
        )
        for delivery in chosen:
            audit.record(by, "send again", delivery, before={"state": delivery.state}, after={"state": State.QUEUED})
    return ids


def discard(delivery: Delivery, by: AbstractBaseUser, now: datetime) -> bool:
    """A person gives up on it; False where it is being sent at this moment, or was sent."""
    with transaction.atomic():
        waiting = Delivery.objects.filter(pk=delivery.pk, state__in=[State.QUEUED, State.FAILED, State.UNKNOWN])
        if not waiting.update(state=State.DISCARDED, settled_at=now):
            return False
        audit.record(by, "discard", delivery, before={"state": delivery.state}, after={"state": State.DISCARDED})
    return True


def revive(sink: Sink, now: datetime) -> list[int]:
    """After a sink was mended or enabled: forget its trouble, and what waits for it is due at once.

    Returns the first ids to ring for; the sweep finds the rest.
    """
    with transaction.atomic():
        Sink.objects.filter(pk=sink.pk).update(failures=0, open_until=None, warning="", disabled_reason="")
        Delivery.objects.filter(sink=sink, state=State.QUEUED, next_attempt_at__gt=now).update(next_attempt_at=now)
    return list(Delivery.objects.filter(sink=sink, state=State.QUEUED).values_list("pk", flat=True)[:50])


def test(sink: Sink, by: AbstractBaseUser, now: datetime) -> Attempt:
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
        audit.record(by, "test", sink)
    _try(delivery, attempt, now)
    unsettled = Delivery.objects.filter(pk=delivery.pk, state=State.QUEUED)
    unsettled.update(state=State.FAILED, settled_at=now)
    return attempt


def enqueue(deliveries: Iterable[Delivery]) -> list[int]:
    """Store what was planned; the ids to ring for. Called in the transaction that decided it."""
    stored = Delivery.objects.bulk_create(list(deliveries))
    return [delivery.pk for delivery in stored if delivery.state == State.QUEUED]
