"""A group's story in one list: received, matched, routed, told, acted on, acknowledged, resolved; oldest first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Prefetch

from routing.models import Acknowledgement, ActionRun, Alert, AlertGroup, Attempt, Comment, Delivery

# Of each kind of entry at most so many are told; the page says how many more there are.
MOST = 50
_TONES = {
    "sent": "ok",
    "succeeded": "ok",
    "failed": "bad",
    "refused": "bad",
    "unknown": "warn",
    "partial": "warn",
    "awaiting_approval": "warn",
    "queued": "accent",
    "sending": "accent",
    "running": "accent",
    "approved": "accent",
}


@dataclass(frozen=True)
class Entry:
    """One thing that happened."""

    at: datetime
    what: str
    """Names the template part that words it."""
    tone: str = ""
    row: Any = None
    order: int = 0
    """Breaks ties: what follows from something else comes after it."""
    attempts: list[Attempt] = field(default_factory=list)


def timeline(group: AlertGroup, alerts: list[Alert], fingerprints: set[str]) -> list[Entry]:
    """The entries of a group whose first and newest alerts are `alerts`."""
    entries = [
        *_alerts(group, alerts),
        *_deliveries(group),
        *_runs(group),
        *_people(fingerprints),
        *_ending(group),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.order))


def _alerts(group: AlertGroup, alerts: Iterable[Alert]) -> Iterator[Entry]:
    for number, alert in enumerate(alerts):
        yield Entry(alert.received_at, "received", "accent" if number == 0 else "", alert, 0)
        if number == 0:
            yield Entry(alert.received_at, "rule", "", alert, 1)
            membership = group.members.get(alert=alert)
            yield Entry(membership.routed_at, "route", "", membership, 2)


def _deliveries(group: AlertGroup) -> Iterator[Entry]:
    attempts = Prefetch("attempts", Attempt.objects.order_by("number"))
    found = Delivery.objects.filter(group=group).select_related("sink", "route", "folded_into")
    for delivery in found.prefetch_related(attempts).order_by("-created_at", "-pk")[:MOST]:
        yield Entry(
            delivery.created_at, "delivery", _TONES.get(delivery.state, ""), delivery, 3, list(delivery.attempts.all())
        )


def _runs(group: AlertGroup) -> Iterator[Entry]:
    found = ActionRun.objects.filter(group=group).select_related("action", "decided_by", "requested_by")
    for run in found.order_by("-requested_at", "-pk")[:MOST]:
        yield Entry(run.requested_at, "run", _TONES.get(run.state, ""), run, 4)
        if run.decided_at:
            yield Entry(run.decided_at, "decision", "", run, 5)
        if run.finished_at and run.finished_at not in (run.requested_at, run.decided_at):
            yield Entry(run.finished_at, "finish", _TONES.get(run.state, ""), run, 6)


def _people(fingerprints: set[str]) -> Iterator[Entry]:
    for acknowledgement in Acknowledgement.objects.filter(fingerprint__in=fingerprints).select_related("user"):
        yield Entry(acknowledgement.at, "acknowledged", "accent", acknowledgement, 7)
    comments = Comment.objects.filter(fingerprint__in=fingerprints).select_related("user")
    for comment in comments.order_by("-at")[:MOST]:
        yield Entry(comment.at, "comment", "", comment, 7)


def _ending(group: AlertGroup) -> Iterator[Entry]:
    if group.resolved_at:
        yield Entry(group.resolved_at, "resolved", "ok", group, 8)
