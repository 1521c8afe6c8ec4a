"""What can object to an action run: every guard, each with its reason, in the order they are asked.

A guard ends a run by raising `Objection`. Guards only read; `approvals` and `executor` write.
"""

from datetime import datetime, timedelta

from routing.actions.base import Refused, Responder
from routing.models import ActionRun, Alert, ResponseAction, Sensor

Mode = ResponseAction.Mode
State = ActionRun.State

# From the least to the most that an action may do.
RANK = (Mode.OFF, Mode.DRY_RUN, Mode.APPROVE, Mode.AUTOMATIC)
ACTING = (State.APPROVED, State.RUNNING)
# These never acted and never will, so they spend nothing of the hour's budget.
UNSPENT = (State.SKIPPED, State.REFUSED, State.DENIED, State.EXPIRED, State.SUPERSEDED)
HOUR = timedelta(hours=1)


class Objection(Exception):
    """The run ends here, in `state`; the text says why."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.state = state


def stale_at(action: ResponseAction, alert: Alert) -> datetime:
    """When the world has moved on from this alert. A clock that runs ahead does not keep an alert fresh."""
    return min(alert.time, alert.received_at) + timedelta(seconds=action.max_alert_age)


def examine(run: ActionRun, responder: Responder, now: datetime) -> None:
    """Raises Objection where the run as requested, not yet stored, must not even be asked about."""
    dry = run.mode == Mode.DRY_RUN
    if responder.where == "node":
        _insist_on_a_sensor(run, dry)
    if stale_at(run.action, run.alert) <= now:
        raise Objection(State.SKIPPED, f"the alert is older than {run.action.max_alert_age} s")
    refuse_protected(responder, run)
    if not dry:
        _leave_settled_targets_alone(run, responder)
    _keep_the_budget(run, dry, now)


def refuse_protected(responder: Responder, run: ActionRun) -> None:
    """Raises Objection where the kind's own guard protects the target."""
    try:
        responder.guard(run.target)
    except Refused as error:
        raise Objection(State.REFUSED, str(error)) from None


def refuse_turned_down(run: ActionRun) -> None:
    """Raises Objection where somebody lowered the action's mode after this run was requested."""
    allowed = Mode(run.action.mode)
    if RANK.index(allowed) < RANK.index(Mode(run.mode)):
        raise Objection(State.REFUSED, f"the action was set to {allowed.value} after this was requested")


def why_a_person_decides(run: ActionRun, responder: Responder) -> str:
    """Why an automatic action still needs approval for this alert; empty where it does not.

    Whoever can post alerts could otherwise have processes killed: so only an authenticated sensor's alert
    about its own node counts, and only what that node's allow-list lets run.
    """
    alert, sensor = run.alert, run.sensor
    if run.requested_by is not None:
        return f"asked for by {run.requested_by}"
    if not alert.own_node:
        return "the alert was not reported by the node's own sensor"
    if responder.where == "server":
        return ""
    if sensor is None or alert.sensor_id != sensor.pk:
        return "the alert was not reported by the sensor that would act"
    if run.kind not in sensor.actions:
        return _not_allowed(run.kind, sensor)
    return ""


def _not_allowed(kind: str, sensor: Sensor) -> str:
    return f"{sensor.name} does not allow {kind}; add it to [actions] allow in its sensor.toml"


def _insist_on_a_sensor(run: ActionRun, dry: bool) -> None:
    if run.sensor is None:
        raise Objection(State.SKIPPED, f"no sensor of ours runs on {run.alert.hostname}")
    if dry and run.kind not in run.sensor.actions:
        # With approval, the person who decides may still extend the list in time; a dry run waits for nobody.
        raise Objection(State.SKIPPED, _not_allowed(run.kind, run.sensor))


def _leave_settled_targets_alone(run: ActionRun, responder: Responder) -> None:
    in_the_way = ACTING if run.mode == Mode.AUTOMATIC else (State.AWAITING_APPROVAL, *ACTING)
    same_target = ActionRun.objects.filter(target_key=run.target_key, state__in=[State.SUCCEEDED, *in_the_way])
    for other, state in same_target.exclude(mode=Mode.DRY_RUN).order_by("-id").values_list("uuid", "state"):
        if state != State.SUCCEEDED:
            raise Objection(State.SUPERSEDED, f"run {other} is about the same target")
        if not responder.reversible:
            raise Objection(State.SKIPPED, f"done already by run {other}")


def _keep_the_budget(run: ActionRun, dry: bool, now: datetime) -> None:
    """Counts runs of the last hour that acted or still may; dry runs have a budget of their own."""
    runs = ActionRun.objects.filter(action=run.action, requested_at__gt=now - HOUR).exclude(state__in=UNSPENT)
    spent = (runs.filter(mode=Mode.DRY_RUN) if dry else runs.exclude(mode=Mode.DRY_RUN)).count()
    if spent >= run.action.max_per_hour:
        raise Objection(
            State.REFUSED, f"budget: {run.action.max_per_hour} runs of this action in the last hour already"
        )
