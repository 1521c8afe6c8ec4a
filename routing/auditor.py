"""Finds what got stuck although sweeps and rings should have seen to it, and says whether the whole product is well.

It asks the rows, not the parts that work on them: a worker that lives, a beat that ticks and a queue that is empty
prove nothing about an alert that nobody told. Who calls it rings for what it found (`routing.tasks.look_for_stuck`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import structlog
from django.core.cache import cache
from django.db import Error
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from redis.exceptions import RedisError

from routing import backlog, claims, patience, signs
from routing.counting import up_to
from routing.models import ActionRun, AlertGroup, Delivery, Sink
from routing.signs import Part

log = structlog.get_logger(__name__)

UNROUTED_AFTER = timedelta(seconds=60)
FLUSH_AFTER = timedelta(seconds=60)
LATE_SWEEP = timedelta(seconds=30)
"""How long a lease or an expiry may be over before the sweep, which comes every second, was due to see it."""
OVERDUE_AFTER = timedelta(minutes=5)
"""How long a delivery may be due while its sink takes nothing although it would."""
MOST_COUNTED = 10_000
MOST_IDS = 20
"""Rows of a finding that are named in the log."""
PATIENCE_SECONDS = 5.0
"""For one question."""
LAST_REPORT = "auditor_report"
"""Cache key."""
VITAL = (Part.BEAT, Part.WORKER, Part.SWEEP)
"""Who must have been heard for the product to be well."""


class What(StrEnum):
    """What can be stuck."""

    UNROUTED_ALERTS = "unrouted_alerts"
    LOST_CLAIMS = "lost_claims"
    """Deliveries whose worker's lease ended, and nobody took them back."""
    OVERDUE_DELIVERIES = "overdue_deliveries"
    OVERDUE_GROUPS = "overdue_groups"
    STUCK_RUNS = "stuck_runs"


@dataclass(frozen=True)
class Finding:
    """How much of one kind is stuck: counted up to `MOST_COUNTED`, the longest stuck ones by id."""

    what: What
    count: int
    oldest_seconds: float
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One look at everything."""

    at: datetime
    seconds: float
    findings: tuple[Finding, ...]
    """One of each kind, also where nothing is stuck."""
    unanswered: tuple[What, ...] = ()
    """What could not be asked, which is no good sign."""

    @property
    def stuck(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.count]


@dataclass(frozen=True)
class _Stuck:
    """Rows, and since when each should have been seen to."""

    rows: QuerySet[Any]
    since: str


def look(now: datetime) -> Report:
    """Ask about everything; a question that fails keeps no other from being asked."""
    began = time.monotonic()
    findings: list[Finding] = []
    unanswered: list[What] = []
    for what, question in QUESTIONS.items():
        try:
            with patience.at_most(PATIENCE_SECONDS):
                finding = _found(what, question(now), now)
        except (Error, patience.OutOfTime) as error:
            log.error("auditor_question_failed", finding=what, error=str(error))
            unanswered.append(what)
            continue
        findings.append(finding)
        if finding.count:
            log.warning(
                "auditor_found",
                finding=what,
                count=finding.count,
                oldest_seconds=round(finding.oldest_seconds),
                ids=finding.ids,
            )
    return Report(now, time.monotonic() - began, tuple(findings), tuple(unanswered))


def why_unwell(report: Report, now: datetime) -> str | None:
    """What keeps the product from being well, in words for the log; None where all is well."""
    if report.unanswered:
        return f"could not be asked: {', '.join(report.unanswered)}"
    if stuck := report.stuck:
        return f"stuck: {', '.join(finding.what for finding in stuck)}"
    try:
        silent = signs.silent(signs.heard(), VITAL, now)
    except signs.Unreachable:
        return "Redis does not answer"
    return None if silent is None else f"not heard for a minute: {silent}"


def keep(report: Report) -> None:
    """Leave the report where pages and /metrics find it. Where Redis does not take it, the log has it."""
    try:
        cache.set(LAST_REPORT, msgspec.json.encode(report).decode(), signs.KEPT_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("auditor_report_not_kept", error=str(error))


def last_report() -> Report | None:
    """The newest report; None where there is none that can be read. Raises redis.RedisError."""
    kept = cache.get(LAST_REPORT)
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=Report)
    except msgspec.ValidationError:
        # Of another version, which looked for other things; the next one is of this.
        return None


def _unrouted(now: datetime) -> _Stuck:
    return _Stuck(backlog.older_than(now - UNROUTED_AFTER), "received_at")


def _lost_claims(now: datetime) -> _Stuck:
    late = Delivery.objects.filter(state=Delivery.State.SENDING, lease_until__lt=now - LATE_SWEEP)
    return _Stuck(late, "lease_until")


def _overdue(now: datetime) -> _Stuck:
    """Of sinks that would take them and took nothing lately: a long queue that moves is slow, not stuck."""
    recently = now - OVERDUE_AFTER
    idle = claims.willing(now).filter(Q(last_sent_at=None) | Q(last_sent_at__lt=recently))
    busy = Delivery.objects.filter(sink=OuterRef("pk"), state=Delivery.State.SENDING)
    sinks: QuerySet[Sink] = idle.filter(~Exists(busy), pk=OuterRef("sink"))
    return _Stuck(claims.ready(recently).filter(Exists(sinks)), "next_attempt_at")


def _overdue_groups(now: datetime) -> _Stuck:
    return _Stuck(AlertGroup.objects.filter(next_flush_at__lt=now - FLUSH_AFTER), "next_flush_at")


def _stuck_runs(now: datetime) -> _Stuck:
    """Past their lease or expiry, or approved for this server and never begun."""
    late, state = now - LATE_SWEEP, ActionRun.State
    since = Coalesce(F("decided_at"), F("requested_at"))
    over = Q(state__in=[state.AWAITING_APPROVAL, state.APPROVED], expires_at__lt=late)
    lost = Q(state=state.RUNNING, lease_until__lt=late)
    idle = Q(state=state.APPROVED, sensor=None, since__lt=late) | Q(state=state.REQUESTED, since__lt=late)
    return _Stuck(ActionRun.objects.annotate(since=since).filter(over | lost | idle), "since")


QUESTIONS: dict[What, Callable[[datetime], _Stuck]] = {
    What.UNROUTED_ALERTS: _unrouted,
    What.LOST_CLAIMS: _lost_claims,
    What.OVERDUE_DELIVERIES: _overdue,
    What.OVERDUE_GROUPS: _overdue_groups,
    What.STUCK_RUNS: _stuck_runs,
}


def _found(what: What, stuck: _Stuck, now: datetime) -> Finding:
    count = up_to(stuck.rows, MOST_COUNTED)
    if not count:
        return Finding(what, 0, 0.0)
    oldest = stuck.rows.order_by().aggregate(oldest=Min(stuck.since))["oldest"] or now
    ids = stuck.rows.order_by(stuck.since, "pk").values_list("pk", flat=True)[:MOST_IDS]
    return Finding(what, count, max(0.0, (now - oldest).total_seconds()), tuple(map(str, ids)))
