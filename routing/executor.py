"""Action runs from approved to their end: handed to whoever runs them, once, and settled by what is reported.

A run is claimed by a conditional update that writes a lease; the result must name that lease. What is
handed out and never reported is repeated only where repeating is harmless (`Responder.repeatable`) and the
run has not expired; all else ends as unknown, for a person to look at.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet
from structlog.contextvars import bound_contextvars

from routing import actions, audit, guards
from routing.actions.base import NotApplicable, Outcome, Refused, Responder
from routing.guards import Objection, State
from routing.models import ActionRun, Sensor
from routing.storable import plain, text

log = structlog.get_logger(__name__)

# Longer than any kind takes (a killed process has five seconds to go), shorter than most runs stay fresh.
LEASE = timedelta(seconds=60)
ENDS = (
    State.SUCCEEDED,
    State.PARTIAL,
    State.FAILED,
    State.UNKNOWN,
    State.SKIPPED,
    State.REFUSED,
    State.WOULD_HAVE,
)
NOT_YOURS = "this run was not handed out under this lease"
# Rows a sweep takes at most; the next one, a second later, takes the rest.
SWEEP = 200

Kinds = Mapping[str, type[Responder]]


class ExecutorError(Exception):
    """A result that cannot be taken; `conflict` where the run is not the caller's to settle (any more)."""

    def __init__(self, message: str, *, conflict: bool) -> None:
        super().__init__(message)
        self.conflict = conflict


def lease(sensor: Sensor, kinds: Collection[str], now: datetime, limit: int = 10) -> list[ActionRun]:
    """Hand this sensor what it may run now, oldest first; each run is handed out once."""
    known = actions.kinds().keys() & set(kinds)
    waiting = ActionRun.objects.filter(sensor=sensor, kind__in=known, state=State.APPROVED, expires_at__gt=now)
    candidates = waiting.select_related("action", "alert").order_by("id")[:limit]
    return [run for run in candidates if _claim(run, actions.kinds(), now)]


def settle(
    run_id: uuid.UUID | str, lease: uuid.UUID | str, state: str, reason: str, detail: Any, now: datetime
) -> ActionRun:
    """Take the result of a run that was handed out under `lease`.

    A late result is taken as long as nobody else was handed the run, and the same result twice is the same
    as once. Raises ExecutorError.
    """
    if state not in ENDS:
        raise ExecutorError(f"{state!r} is not how a run ends; use one of {', '.join(ENDS)}", conflict=False)
    mine = ActionRun.objects.select_related("action", "sensor").filter(uuid=_uuid(run_id), lease=_uuid(lease))
    with transaction.atomic():
        run = mine.first()
        if run is None:
            raise ExecutorError(NOT_YOURS, conflict=True)
        if run.state == state and state != State.RUNNING:
            return run
        if not _end(mine.filter(state__in=[State.RUNNING, State.UNKNOWN]), state, reason, detail, now):
            raise ExecutorError(f"this run has ended already: {run.state}", conflict=True)
        _remember(run, state, reason, now)
    run.refresh_from_db()
    return run


def due(now: datetime) -> list[int]:
    """Ids of approved runs that wait for this server to run them."""
    on_server = [name for name, kind in actions.kinds().items() if kind.where == "server"]
    waiting = ActionRun.objects.filter(state=State.APPROVED, kind__in=on_server, expires_at__gt=now)
    return list(waiting.order_by("id").values_list("id", flat=True)[:SWEEP])


def run_on_server(run_id: int, now: datetime, kinds: Kinds | None = None) -> None:
    """Run one approved run here. Safe to call twice, concurrently, or never: only who claims it acts."""
    kinds = actions.kinds() if kinds is None else kinds
    waiting = ActionRun.objects.filter(pk=run_id, state=State.APPROVED, expires_at__gt=now)
    run = waiting.select_related("action", "alert").first()
    if run is None or run.kind not in kinds or kinds[run.kind].where != "server" or not _claim(run, kinds, now):
        return
    with bound_contextvars(run=str(run.uuid)):
        outcome = _act(kinds[run.kind](run.params), run)
    settle(run.uuid, str(run.lease), outcome.state, outcome.reason, outcome.detail, now)


def take_back(now: datetime, kinds: Kinds | None = None) -> int:
    """Deal with runs whose lease ended without a result; returns how many there were."""
    kinds = actions.kinds() if kinds is None else kinds
    lost = ActionRun.objects.filter(state=State.RUNNING, lease_until__lte=now).select_related("action", "sensor")
    count = 0
    for run in lost.order_by("id")[:SWEEP]:
        still_lost = ActionRun.objects.filter(pk=run.pk, state=State.RUNNING, lease=run.lease)
        if run.kind in kinds and kinds[run.kind].repeatable and run.expires_at > now:
            count += still_lost.update(state=State.APPROVED, lease=None, lease_until=None)
            continue
        reason = f"handed to {run.sensor or 'a worker'}, which did not report before {run.lease_until:%H:%M:%S} UTC"
        with transaction.atomic():
            if _end(still_lost, State.UNKNOWN, reason, {}, now):
                _remember(run, State.UNKNOWN, reason, now)
                count += 1
    return count


def _claim(run: ActionRun, kinds: Kinds, now: datetime) -> bool:
    """Take an approved run, or end it where a guard objects by now; False where there is nothing to run."""
    mine = ActionRun.objects.filter(pk=run.pk, state=State.APPROVED, expires_at__gt=now)
    try:
        guards.refuse_turned_down(run)
        # With the parameters of today: a process that was protected after the request is protected.
        guards.refuse_protected(kinds[run.kind](run.action.params), run)
    except Objection as objection:
        with transaction.atomic():
            if _end(mine, objection.state, str(objection), {}, now):
                _remember(run, objection.state, str(objection), now)
        return False
    token = uuid.uuid4()
    if not mine.update(state=State.RUNNING, lease=token, lease_until=now + LEASE, started_at=now):
        return False
    run.state, run.lease, run.lease_until, run.started_at = State.RUNNING, token, now + LEASE, now
    return True


def _act(responder: Responder, run: ActionRun) -> Outcome:
    try:
        return responder.run(run.target, dry=run.mode == guards.Mode.DRY_RUN)
    except Refused as error:
        return Outcome(State.REFUSED, str(error))
    except NotApplicable as error:
        return Outcome(State.SKIPPED, str(error))
    except Exception as error:
        # The worker goes on with the next run; what this one did before it failed, nobody knows.
        log.exception("action_raised", kind=run.kind)
        return Outcome(State.UNKNOWN, f"{type(error).__name__} in the middle of it; look at the target")


def _uuid(value: uuid.UUID | str) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise ExecutorError(NOT_YOURS, conflict=True) from None


def _end(runs: QuerySet[ActionRun], state: str, reason: str, detail: Any, now: datetime) -> int:
    told = plain(detail or {})
    kept = told if isinstance(told, dict) else {"detail": told}
    return runs.update(state=state, reason=text(reason)[:2000], detail=kept, finished_at=now)


def _remember(run: ActionRun, state: str, reason: str, now: datetime) -> None:
    actor = f"sensor {run.sensor}" if run.sensor else audit.SYSTEM
    audit.record(actor, "run", run, after={"state": state, "mode": run.mode, "reason": text(reason)}, now=now)
