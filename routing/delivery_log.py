"""What is said about deliveries while they are worked on: a log line for each attempt, and the counts in /metrics."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import structlog
from django.db import transaction

from routing import metrics
from routing.claims import Tried
from routing.grouping import NotifyReason
from routing.models import Alert, Attempt

log = structlog.get_logger(__name__)

MOST_NAMED = 5
"""Alerts of a delivery that its log line names, the newest ones."""


def tried(one: Tried, alerts: Mapping[str, Alert]) -> None:
    """An attempt ended, and that is stored; at the first one also how long it took until then."""
    delivery, attempt = one.claimed.delivery, one.claimed.attempt
    log.info(
        "delivery_tried",
        delivery=delivery.pk,
        sink=delivery.sink_id,
        attempt=attempt.number,
        outcome=one.outcome.verdict,
        status=one.outcome.status,
        latency_ms=attempt.latency_ms,
        alerts=delivery.alert_ids[-MOST_NAMED:],
    )
    sink = delivery.sink.name
    metrics.ATTEMPTS.add(1, sink, attempt.outcome)
    metrics.ATTEMPT.add(one.seconds, sink)
    if attempt.outcome != Attempt.Outcome.RETRY:
        metrics.SETTLED.add(1, sink, attempt.outcome)
    if attempt.number == 1 and delivery.event == "firing":
        metrics.DELIVERY_WAIT.add((attempt.started_at - delivery.created_at).total_seconds())
        received = [alerts[uuid].received_at for uuid in delivery.alert_ids if uuid in alerts]
        # What repeats or escalates was told before, and says nothing about how late we are.
        if received and delivery.reason in (NotifyReason.FIRST, NotifyReason.NEW_ALERTS):
            metrics.FIRST_ATTEMPT.add((attempt.started_at - min(received)).total_seconds())


def planned(states: Counter[str]) -> None:
    """Deliveries were made, so many in each state; counted once this transaction is committed."""
    for state, count in states.items():
        transaction.on_commit(partial(metrics.PLANNED.add, count, state))
