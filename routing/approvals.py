"""Action runs up to the point where they may run: requested, decided by a person, or expired.

Every change of state is a conditional update: whoever comes second changes nothing and is told what
happened first. Time is the server's, and an approval is checked against it when the click arrives.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.contrib.auth.models import User
from django.db import transaction

from routing import actions, audit, guards, lookups, matching
from routing.access import insist
from routing.actions.base import NotApplicable, Responder, Subject
from routing.guards import Mode, Objection, State
from routing.models import ActionRun, Alert, AlertGroup, ResponseAction, Route, Sensor
from routing.turns import Turn, wait_for

log = structlog.get_logger(__name__)


class ApprovalError(Exception):
    """The run cannot be approved or denied any more, or not by this person; the text says why."""


def request(
    action: ResponseAction,
    alert: Alert,
    group: AlertGroup | None,
    route: Route | None,
    now: datetime,
    by: User | None = None,
    *,
    dry_run: bool = False,
) -> ActionRun | None:
    """Ask for `action` because of `alert`; None where the action is off or its condition does not hold.

    There is one run per alert, action and target: asked again, the first one is returned. What a guard
    forbids or the alert does not allow is kept too, as a run that is skipped, refused or superseded with
    its reason. `by` is the person who asked by hand; somebody else must then approve. In a `dry_run` it is
    only found out what would be done, and a later real request is another run. Raises PermissionDenied where
    that person may not respond.
    """
    if by is not None:
        insist(by, "respond")
    with transaction.atomic():
        # Two workers must not both take the last run of the hour, or both go for one target.
        wait_for(Turn.REQUESTS)
        current = ResponseAction.objects.filter(pk=action.pk).first()
        if current is None or _why_not(current, alert):
            return None
        run, responder = _drafted(current, alert, group, route, now, by, dry_run=dry_run)
        if earlier := ActionRun.objects.filter(digest=run.digest).first():
            return earlier
        if responder is not None:
            _decide(run, responder, now)
        if run.mode == Mode.AUTOMATIC and run.state == State.APPROVED:
            _supersede_questions(run, now)
        run.save(force_insert=True)
        return run


def forecast(
    action: ResponseAction, alert: Alert, route: Route | None, now: datetime, *, dry_run: bool = False
) -> ActionRun | str:
    """The run that `request` would return, or why it would return none. Nothing is asked for, and nothing stored."""
    if reason := _why_not(action, alert):
        return reason
    run, responder = _drafted(action, alert, None, route, now, None, dry_run=dry_run)
    if earlier := ActionRun.objects.filter(digest=run.digest).first():
        return earlier
    if responder is not None:
        _decide(run, responder, now)
    return run


def approve(run: ActionRun, by: User, now: datetime, comment: str = "", ip: str | None = None) -> ActionRun:
    """Let it run. Raises PermissionDenied, or ApprovalError where it is too late or the person asked for it."""
    if run.requested_by_id == by.pk:
        raise ApprovalError("You asked for this yourself, so somebody else must approve it.")
    if ResponseAction.objects.filter(pk=run.action_id, mode__in=[Mode.OFF, Mode.DRY_RUN]).exists():
        raise ApprovalError("The action was switched off or to a dry run after this was requested.")
    until = now + timedelta(seconds=run.action.max_alert_age)
    return _settle_question(run, State.APPROVED, by, now, comment, ip, expires_at=until)


def deny(run: ActionRun, by: User, now: datetime, comment: str = "", ip: str | None = None) -> ActionRun:
    """Forbid it for good. Raises PermissionDenied, or ApprovalError where it is too late."""
    return _settle_question(run, State.DENIED, by, now, comment, ip, finished_at=now)


def expire_due(now: datetime) -> int:
    """End what nobody decided in time, and what nobody came for; returns how many."""
    late = ActionRun.objects.filter(expires_at__lte=now)
    undecided = late.filter(state=State.AWAITING_APPROVAL).update(
        state=State.EXPIRED, reason="nobody approved it in time", finished_at=now
    )
    unfetched = late.filter(state=State.APPROVED).update(
        state=State.EXPIRED, reason="nobody came to run it in time; is the sensor connected?", finished_at=now
    )
    return undecided + unfetched


def _settle_question(
    run: ActionRun, state: State, by: User, now: datetime, comment: str, ip: str | None, **changes: Any
) -> ActionRun:
    insist(by, "approve")
    open_question = ActionRun.objects.filter(pk=run.pk, state=State.AWAITING_APPROVAL, expires_at__gt=now)
    with transaction.atomic():
        if not open_question.update(state=state, decided_by=by, decided_at=now, comment=comment, **changes):
            raise ApprovalError(_too_late(run, now))
        verb = "approve" if state == State.APPROVED else "deny"
        before, after = {"state": State.AWAITING_APPROVAL.value}, {"state": state.value, "comment": comment}
        audit.record(by, verb, run, before, after, ip=ip, now=now)
    run.refresh_from_db()
    return run


def _too_late(run: ActionRun, now: datetime) -> str:
    run.refresh_from_db()
    if run.state == State.AWAITING_APPROVAL:
        return f"This request expired at {run.expires_at:%H:%M:%S} UTC; a new alert asks anew."
    by = f" by {run.decided_by}" if run.decided_by else ""
    return f"Nothing was changed: this is {run.get_state_display().lower()} already{by}."


def _why_not(action: ResponseAction, alert: Alert) -> str:
    """Why an action is not about an alert; empty where it is."""
    if action.mode == Mode.OFF:
        return "the action is off"
    return "" if _is_about(action, alert) else "the action's condition does not hold"


def _drafted(
    action: ResponseAction,
    alert: Alert,
    group: AlertGroup | None,
    route: Route | None,
    now: datetime,
    by: User | None,
    *,
    dry_run: bool,
) -> tuple[ActionRun, Responder | None]:
    """The run of an action, aimed at what the alert names; without a responder where that ended it."""
    run = ActionRun(
        action=action,
        alert=alert,
        group=group,
        route=route,
        sensor=_sensor_on(alert),
        mode=Mode.DRY_RUN if dry_run else action.mode,
        kind=action.kind,
        params=action.params,
        target={},
        description=f"{action.name} on {alert.hostname}",
        requested_at=now,
        requested_by=by,
        expires_at=now,
    )
    responder = _aim(run)
    run.digest = _hash(str(alert.uuid), str(action.pk), run.target_key, *["dry run"] * dry_run)
    return run, responder


def _is_about(action: ResponseAction, alert: Alert) -> bool:
    try:
        predicate = lookups.asking(matching.compile(action.condition), action.condition)
    except matching.RuleError as error:
        log.error("condition_broken", owner=f"action {action.name}", problem=error.message)
        return False
    return matching.holds(predicate, alert, f"action {action.name}")


def _aim(run: ActionRun) -> Responder | None:
    """Fill in what the run acts on; None where the alert names no target, and that ends it."""
    kind = actions.kinds().get(run.kind)
    if kind is None:
        _end(run, State.REFUSED, f"the kind {run.kind} is not installed on this server")
        return None
    responder, hostname = kind(run.params), run.alert.hostname
    try:
        run.target = responder.target_of(Subject(hostname, run.alert.output_fields))
    except NotApplicable as error:
        _end(run, State.SKIPPED, str(error))
        return None
    run.target_key = _hash(run.kind, hostname, responder.target_key(run.target))
    run.description = responder.describe(run.target, hostname)
    if responder.where == "server":
        run.sensor = None
    return responder


def _decide(run: ActionRun, responder: Responder, now: datetime) -> None:
    """Set mode, state and expiry."""
    if run.mode == Mode.AUTOMATIC and (why := guards.why_a_person_decides(run, responder)):
        run.mode, run.reason = Mode.APPROVE, f"approval needed: {why}"
    try:
        guards.examine(run, responder, now)
    except Objection as objection:
        _end(run, objection.state, str(objection))
        return
    if run.mode == Mode.APPROVE:
        run.state, run.expires_at = State.AWAITING_APPROVAL, now + timedelta(seconds=run.action.approval_ttl)
    else:
        run.state, run.expires_at = State.APPROVED, guards.stale_at(run.action, run.alert)


def _supersede_questions(run: ActionRun, now: datetime) -> None:
    """The strongest wins: an open question about the same target need not be answered any more."""
    ActionRun.objects.filter(target_key=run.target_key, state=State.AWAITING_APPROVAL).update(
        state=State.SUPERSEDED, reason=f"run {run.uuid} acts on the same target without asking", finished_at=now
    )


def _end(run: ActionRun, state: State, reason: str) -> None:
    """Ended before it began."""
    run.state, run.reason, run.finished_at = state, reason, run.requested_at


def _sensor_on(alert: Alert) -> Sensor | None:
    """Our sensor on the alert's node: the one that reported it, or the one that does the work there."""
    if alert.sensor is not None and alert.sensor.native and alert.sensor.hostname == alert.hostname:
        return alert.sensor
    ours = Sensor.objects.filter(native=True, hostname=alert.hostname, token__revoked_at=None)
    return ours.order_by("-last_seen_at").first()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
