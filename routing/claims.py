"""Who holds a delivery: taking some, giving them back, and writing down how they went.

A claim is a conditional update that names itself and ends after a while; whoever settles must name it too, so that a
worker that was given up on cannot overwrite its successor. An attempt is written with the claim, before the call, and
completed after it: one without an outcome is a try of which nobody knows whether it arrived.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from routing import ages, folding, pacing, receipts
from routing.models import Attempt, Delivery, Sink
from routing.settling import Settlement
from routing.settling import settle as settlement_of
from routing.sinks.base import Outcome, Sender, Verdict

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a try may take before its worker counts as dead; more than twice what the outbound client allows."""
MOST_IN_FLIGHT = 2
"""Claims of one sink at a time, about: a receiver that hangs must not hold every worker."""
MOST_PROBES = 4
"""Sinks that were in trouble and are tried again at a time, about: many receivers that hang must not do so either."""
FURTHEST = timedelta(hours=31)
"""No sink is left alone for longer: a receiver may name a day, and up to a quarter is added. As `pacing.FURTHEST`."""
State = Delivery.State


@dataclass
class Claimed:
    """A delivery that is ours to try, and the attempt that says so."""

    delivery: Delivery
    attempt: Attempt


@dataclass
class Tried:
    """How a try went, when it was over and how long it took."""

    claimed: Claimed
    outcome: Outcome
    ended_at: datetime
    seconds: float


def willing(now: datetime) -> QuerySet[Sink]:
    """Sinks that may be sent to: enabled, not left alone after trouble, not held by their limit, and not busy."""
    sending = Delivery.objects.filter(sink=OuterRef("pk"), state=State.SENDING).order_by()
    claims = sending.values("sink").annotate(claims=Count("claim", distinct=True))
    busy = Exists(claims.filter(claims__gte=MOST_IN_FLIGHT))
    alone, held = _ahead("open_until", now, FURTHEST), _ahead("free_at", now, pacing.FURTHEST)
    return Sink.objects.filter(~busy, ~alone, ~held, enabled=True)


def _ahead(name: str, now: datetime, furthest: timedelta) -> Q:
    return Q(**{f"{name}__isnull": False, f"{name}__gt": now, f"{name}__lte": now + furthest})


def ready(now: datetime) -> QuerySet[Delivery]:
    """Deliveries that are due and have nothing before them, longest due first, whether or not the sink is willing."""
    due = folding.in_order().filter(state=State.QUEUED, next_attempt_at__lte=now)
    return due.order_by("next_attempt_at", "pk")


def claim(wanted: Q, most: int, now: datetime) -> list[Claimed]:
    """Take at most `most` ready deliveries of one willing sink; `wanted` names the sink or a delivery of it."""
    with transaction.atomic():
        waiting = ready(now).filter(wanted, Exists(willing(now).filter(pk=OuterRef("sink"))))
        # What another worker has its hands on is skipped, so that nobody waits for anybody.
        locked = waiting.select_for_update(skip_locked=True, of=("self",))
        ids = list(locked.values_list("pk", flat=True)[:most])
        token = uuid4()
        # No joins and no subqueries here: on PostgreSQL they would be read from an older snapshot than the row.
        taken = Delivery.objects.filter(pk__in=ids, state=State.QUEUED, next_attempt_at__lte=now).update(
            state=State.SENDING, claim=token, lease_until=now + LEASE, attempts_made=F("attempts_made") + 1
        )
        if not taken:
            return []
        # The sink is one, its secrets are decrypted once; the routes are few.
        mine = Delivery.objects.filter(pk__in=ids, claim=token).select_related("group").annotate(tried=ages.LAST)
        deliveries = list(mine.order_by("next_attempt_at", "pk").prefetch_related("sink", "route"))
        deep = folding.is_deep(deliveries[0].sink, len(deliveries))
        tried = {one.pk for one in deliveries if one.tried}
        before = folding.before_a_digest(deliveries, tried) if deep else len(deliveries)
        # What is claimed cannot be folded into a message beside it.
        may = _permitted(deliveries[0].sink, before or 1, now)
        if not may:
            transaction.set_rollback(True)
            return []
        give_back(deliveries[may:])
        del deliveries[may:]
        if not before:
            folding.digest(deliveries[0], now)
        attempts = Attempt.objects.bulk_create(
            Attempt(delivery=one, number=(one.tried or 0) + 1, started_at=now) for one in deliveries
        )
        return [Claimed(one, attempt) for one, attempt in zip(deliveries, attempts, strict=True)]


def _permitted(sink: Sink, wanted: int, now: datetime) -> int:
    """How many of so many deliveries may be tried now; none also where another worker was faster."""
    if sink.open_until is not None:
        # The sink was in trouble. One delivery finds out whether it still is; the others wait for it.
        probed = Delivery.objects.filter(state=State.SENDING, sink__open_until__isnull=False).exclude(sink=sink)
        if probed.values("sink").distinct().count() >= MOST_PROBES:
            return 0
        if not Sink.objects.filter(pk=sink.pk, open_until=sink.open_until).update(open_until=now + LEASE):
            return 0
        wanted = 1
    return pacing.take(sink, wanted, now)


def give_back(deliveries: Sequence[Delivery]) -> None:
    """Deliveries that were claimed and not tried are queued as they were."""
    if not deliveries:
        return
    mine = Delivery.objects.filter(
        pk__in=[one.pk for one in deliveries], claim=deliveries[0].claim, state=State.SENDING
    )
    mine.update(state=State.QUEUED, claim=None, lease_until=None, attempts_made=F("attempts_made") - 1)


def release(untried: Sequence[Claimed]) -> None:
    """Give claims back as if they had never been."""
    if not untried:
        return
    with transaction.atomic():
        Attempt.objects.filter(pk__in=[one.attempt.pk for one in untried]).delete()
        give_back([one.delivery for one in untried])
        pacing.put_back(untried[0].delivery.sink, len(untried))


def settle(tries: Sequence[Tried], untried: Sequence[Claimed], sender: Sender | None) -> None:
    """Write down how a claim's deliveries went, in one transaction. All belong to one sink.

    The sink's state is left alone where the claim was lost, or somebody changed the sink since it was read.
    """
    sink = tries[0].claimed.delivery.sink
    failures, failing_since = sink.failures, sink.failing_since
    for_sink: dict[str, Any] = {}
    for_deliveries: list[tuple[Delivery, dict[str, Any]]] = []
    told: dict[int, Mapping[str, str]] = {}
    kind = type(sender) if sender else Sender
    with transaction.atomic():
        current = _lock(sink)
        for tried in tries:
            found = settlement_of(
                tried.outcome,
                kind,
                may_repeat=sender.may_repeat() if sender else True,
                attempts=tried.claimed.delivery.attempts_made,
                age=_age(tried, kind),
                failures=failures,
                failing_since=failing_since,
                now=tried.ended_at,
                seconds=tried.seconds,
                roll=random.random(),  # noqa: S311  # spreads retries, guards nothing
            )
            if not current and tried.outcome.verdict in (Verdict.GONE, Verdict.CREDENTIALS):
                found = _again(tried)
            failures = found.sink.get("failures", failures)
            failing_since = found.sink.get("failing_since", failing_since)
            for_sink |= found.sink
            delivery = tried.claimed.delivery
            for_deliveries.append((delivery, found.delivery))
            # A digest is about many groups: what is told later of one must not change it.
            if tried.outcome.receipt is not None and delivery.group_id is not None and not delivery.other_groups:
                told[delivery.group_id] = tried.outcome.receipt
            _complete(tried, found.attempt)
        Attempt.objects.bulk_create(
            [tried.claimed.attempt for tried in tries],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["outcome", "finished_at", "status", "latency_ms", "request", "response", "error"],
        )
        held = _write(for_deliveries)
        receipts.keep(sink.pk, told)
        if held and current:
            Sink.objects.filter(pk=sink.pk).update(**for_sink)
        release(untried)


def _age(tried: Tried, kind: type[Sender]) -> timedelta:
    """How long it has been tried; looked up only where that decides something."""
    if tried.outcome.verdict not in (Verdict.RETRY, Verdict.CREDENTIALS):
        return timedelta()
    return tried.ended_at - ages.begun_at(tried.claimed.delivery, tried.claimed.attempt.number, kind.paging)


def _lock(sink: Sink) -> bool:
    """Hold a sink until the transaction ends; whether it is as it was read. What is owed to it can still be stored."""
    locked = Sink.objects.select_for_update(no_key=True).filter(pk=sink.pk)
    return list(locked.values_list("revision", flat=True)) == [sink.revision]


def _again(tried: Tried) -> Settlement:
    """At once, with the sink as it is now."""
    queued = {"state": State.QUEUED, "next_attempt_at": tried.ended_at, "error": tried.outcome.error}
    return Settlement(Attempt.Outcome.RETRY, queued, {})


def _complete(tried: Tried, outcome: Attempt.Outcome) -> None:
    attempt = tried.claimed.attempt
    attempt.outcome = outcome
    attempt.finished_at = tried.ended_at
    attempt.status = tried.outcome.status
    attempt.latency_ms = round(tried.seconds * 1000)
    attempt.request = tried.outcome.request
    attempt.response = tried.outcome.response
    attempt.error = tried.outcome.error


def _write(settled: Sequence[tuple[Delivery, dict[str, Any]]]) -> bool:
    """The deliveries' new states; False where one is not ours any more.

    What was sent without remark is written together, as of the last one's end.
    """
    plain = [(one, values) for one, values in settled if values["state"] == State.SENT and not values["error"]]
    steps = [([one], values) for one, values in settled if values["state"] != State.SENT or values["error"]]
    if plain:
        steps.append(([one for one, _ in plain], plain[-1][1]))
    held = True
    for deliveries, values in steps:
        ids = [one.pk for one in deliveries]
        mine = Delivery.objects.filter(pk__in=ids, state=State.SENDING, claim=deliveries[0].claim)
        if mine.update(claim=None, lease_until=None, **values) < len(ids):
            log.warning("delivery_settled_late", deliveries=ids)
            held = False
    return held
