"""A look at one group: what it has to tell now, to whom, and when it is looked at next."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from routing import endings, escalation, tellings
from routing.grouping import NotifyReason, notify_reason
from routing.holds import Hold, Holds
from routing.messages import MOST_ALERTS
from routing.models import Alert, AlertGroup, Delivery
from routing.placing import look_at
from routing.tree import Node

SOONEST = timedelta(seconds=1)
"""A group is not looked at twice within this."""
DELETED = "the route was deleted"
"""Why a group ended that did not end by itself."""
ENDED = "said to have ended"
"""Why a group is resolved before its time."""
STEP_PUT_OFF = timedelta(minutes=1)
"""For how long at least an escalation step waits that something holds."""


def look(group: AlertGroup, node: Node, untold: list[Alert] | None, holds: Holds, now: datetime) -> list[Delivery]:
    """Decide, change the group accordingly, and return what is owed. `untold` are read where they are None."""
    node = endings.lasting(group, node, now)
    reason = notify_reason(group.told_at, group.told_count, group.count, group.state, group.last_seen_at, node, now)
    owed: list[Delivery] = []
    if reason is NotifyReason.ACKNOWLEDGED:
        owed = tellings.acknowledge(group, node, now)
    elif reason is NotifyReason.RESOLVED:
        owed = tellings.resolve(group, node, DELETED if node.route.deleted_at else reason, now)
    elif reason.tells:
        owed = _tell(group, node, tellings.newest_alerts(group) if untold is None else untold, reason, holds, now)
    if not reason.tells or reason is NotifyReason.RESOLVED:
        group.held_by, group.held_until = "", None
    owed += _escalate(group, node, holds, now)
    resolved = group.state == AlertGroup.State.RESOLVED
    group.next_flush_at = None if resolved else max(look_at(group, node, now), now + SOONEST)
    return owed


def end(group: AlertGroup, node: Node, holds: Holds, now: datetime) -> list[Delivery]:
    """Resolve a group of which all is said to have ended. What it has not told yet is told first.

    Where its route waits with that, the group goes on and is resolved by its time.
    """
    owed: list[Delivery] = []
    if group.state == AlertGroup.State.FIRING and group.count > group.told_count:
        reason = NotifyReason.NEW_ALERTS if group.told_at else NotifyReason.FIRST
        owed = _tell(group, node, tellings.newest_alerts(group), reason, holds, now)
    if group.held_by:
        group.next_flush_at = max(look_at(group, node, now), now + SOONEST)
        return owed
    owed += tellings.resolve(group, node, ENDED, now)
    return owed + _escalate(group, node, holds, now)


def _tell(
    group: AlertGroup, node: Node, alerts: Sequence[Alert], reason: NotifyReason, holds: Holds, now: datetime
) -> list[Delivery]:
    free = _free(group, alerts, holds)
    hold = holds.of_route(node) if free else None
    if hold:
        return _wait(group, node, free, hold, now)
    group.held_by, group.held_until = "", None
    if free:
        owed = tellings.tell(group, node, free, reason, now)
    else:
        newest = holds.of_alert(alerts[-1]) if alerts else None
        owed = tellings.suppress(group, node, alerts, newest.reason if newest else "no alerts", now)
    # A repeat that something holds waits for the next one.
    if free or reason is NotifyReason.REPEAT:
        group.told_at = now
    group.told_count = group.count
    return owed


def _free(group: AlertGroup, alerts: Sequence[Alert], holds: Holds) -> list[Alert]:
    """Those that nothing holds. A flood that is held must not hide the one before it that is not."""
    if free := [alert for alert in alerts if holds.of_alert(alert) is None]:
        return free
    return holds.first_free(alerts[-1], tellings.untold_before(group, len(alerts))) if alerts else []


def _wait(group: AlertGroup, node: Node, alerts: Sequence[Alert], hold: Hold, now: datetime) -> list[Delivery]:
    """The route tells later. That is written down once, however often the group is looked at until then."""
    known = group.held_by == hold.reason
    group.held_by, group.held_until = hold.reason, hold.until
    return [] if known else tellings.suppress(group, node, alerts, hold.reason, now)


def _escalate(group: AlertGroup, node: Node, holds: Holds, now: datetime) -> list[Delivery]:
    """Tell the sinks of the steps that are due. What holds the group puts them off."""
    before = escalation.Waiting(group.unacknowledged_since, group.escalated_to)
    firing = group.state == AlertGroup.State.FIRING
    state = escalation.waiting(before, node.steps, now, told=group.told_at is not None, firing=firing)
    steps = escalation.due(state, node.steps, now)
    owed: list[Delivery] = []
    put_off = None
    if steps:
        alerts = tellings.newest_alerts(group, MOST_ALERTS)
        hold = holds.of_route(node) or (holds.of_alert(alerts[-1]) if alerts else None)
        if hold:
            put_off = max(hold.until, now + STEP_PUT_OFF)
        else:
            owed = [one for step in steps for one in tellings.escalate(group, node, step, alerts, now)]
            state = escalation.Waiting(state.since, steps[-1].after)
    group.unacknowledged_since, group.escalated_to = state.since, state.escalated_to
    group.next_step_at = put_off or escalation.next_at(state, node.steps)
    return owed
