"""What would become of one alert, step by step.

It takes the same turns as `routing.pipeline`, with a group that is not stored: the alert counts as one that comes now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from routing import approvals, endings, escalation, matching, tellings
from routing.alert_fields import CATALOG
from routing.escalation import Waiting
from routing.grouping import key_of, labels_of, next_look, notify_reason
from routing.holds import Hold, Holds
from routing.lookups import Tables
from routing.matching import Match, RuleError
from routing.models import ActionRun, Alert, AlertGroup, Delivery, Sink
from routing.placing import Place, acknowledged, add, begin_anew
from routing.tree import Node, Tree
from sensor.rules.explain import Part, explain_condition

MOST_EXPLAINED = 20_000
"""Characters of conditions that are taken apart; of the routes behind them only the verdict is said."""


@dataclass(frozen=True, slots=True)
class Considered:
    """A route, whether the alert goes there, and which parts of its condition held."""

    id: int
    """Below zero for a route of a draft that is not stored."""
    path: list[str]
    condition: str
    match: Match
    parts: Part | None
    """Null where the condition was not asked for, is empty, or is too long to be taken apart."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The group that the alert would join."""

    id: int | None
    """Null where it would be a new one."""
    labels: dict[str, str]
    state: str
    count: int
    """With this alert."""


@dataclass(frozen=True, slots=True)
class Held:
    """What keeps something from being told, and until when at most."""

    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A message to a sink."""

    sink: str
    kind: str
    at: datetime
    state: str
    """`queued`, or `suppressed` where it would only be written down."""
    reason: str
    note: str
    """What keeps the sink itself from sending at once; empty where nothing does."""


@dataclass(frozen=True, slots=True)
class Later:
    """An escalation step, if nobody acknowledges until then."""

    at: datetime
    sinks: list[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A response action of the route."""

    action: str
    mode: str
    state: str
    """The state of its run; empty where none would be asked for."""
    reason: str
    description: str
    """In words, as the approve button says it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A route that takes the alert, and what follows."""

    id: int
    path: list[str]
    version: int
    """0 for a route that is not stored."""
    dry_run: bool
    group: Joined
    held: list[Held]
    """What holds the alert when the group would be told: then it is not told later either."""
    waits: Held | None
    """What makes the route wait with telling."""
    told_at: datetime | None
    """When the group would be told; null where it would not be."""
    reason: str
    """Why it is told then, or why it is not."""
    messages: list[Owed]
    escalation: list[Later]
    actions: list[Asked]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The whole way of one alert. Where no route takes it, it is stored and nobody is told."""

    uuid: str
    at: datetime
    lookups: dict[str, str]
    """What the lookup tables say about it."""
    walk: list[Considered]
    taken: list[Taken]


def simulate(alert: Alert, tree: Tree, now: datetime) -> Simulation:
    """Let an alert walk a tree at a moment, as if it came then. One that says that another ended walks none."""
    Tables().enrich([alert])
    moments = _Moments(alert)
    if endings.is_end(alert):
        return Simulation(str(alert.uuid), now, dict(alert.lookups), [], [])
    taken = [_taken(node, alert, moments, now) for node in matching.nodes_for(alert, tree)]
    return Simulation(str(alert.uuid), now, dict(alert.lookups), list(_considered(alert, tree)), taken)


class _Moments:
    """What holds at different moments, each looked up once."""

    def __init__(self, alert: Alert) -> None:
        self._alert = alert
        self._known: dict[datetime, Holds] = {}

    def at(self, moment: datetime) -> Holds:
        if moment not in self._known:
            self._known[moment] = Holds(moment)
            self._known[moment].expect([self._alert])
        return self._known[moment]


def _considered(alert: Alert, tree: Tree) -> Iterator[Considered]:
    left = MOST_EXPLAINED
    for one in matching.explain(alert, tree):
        condition = one.node.route.condition
        asked = one.match in (Match.MATCHED, Match.PASSED, Match.FALSE)
        left -= len(condition) if asked else 0
        parts = _parts(condition, alert) if asked and condition.strip() and left >= 0 else None
        yield Considered(one.node.key, list(one.node.path), condition, one.match, parts)


def _parts(condition: str, alert: Alert) -> Part | None:
    try:
        return explain_condition(condition, alert, CATALOG)
    except RuleError:
        # A part may be refused that the whole may have: the verdict is said all the same.
        return None


def _taken(node: Node, alert: Alert, moments: _Moments, now: datetime) -> Taken:
    group = _group(node, alert)
    collecting = group.next_flush_at if group.told_at is None else None
    add(group, Place(node, group.labels, [alert]), acknowledged([alert]), now)
    told_at, held, waits, owed = None, [], None, []
    reason = "acknowledged"
    if group.state != AlertGroup.State.ACKNOWLEDGED:
        timing = (group.told_at, group.told_count, group.count, group.state, group.last_seen_at, node)
        told_at = max(now, min(collecting or next_look(*timing, now), next_look(*timing, now)))
        reason = str(notify_reason(*timing, told_at))
        holds = moments.at(told_at)
        held = [Held(hold.reason, hold.until) for hold in holds.each_of(alert)]
        if held:
            owed = tellings.suppress(group, node, [alert], held[0].reason, told_at)
            told_at, reason = None, held[0].reason
        else:
            waits = _held(holds.of_route(node))
            told_at = waits.until if waits else told_at
            owed = tellings.tell(group, node, [alert], reason, told_at)
    return Taken(
        id=node.key,
        path=list(node.path),
        version=node.route.version,
        dry_run=node.dry_run,
        group=Joined(group.pk, group.labels, group.state, group.count),
        held=held,
        waits=waits,
        told_at=told_at,
        reason=reason,
        messages=_messages(owed),
        escalation=_later(group, node, told_at) if told_at else [],
        actions=_actions(node, alert, moments.at(now), now),
    )


def _group(node: Node, alert: Alert) -> AlertGroup:
    """The group that the alert would join, stored or new; what is changed in it here is forgotten."""
    labels = labels_of(str(alert.uuid), node.group_by, partial(matching.value_of, alert))
    key = key_of(labels)
    stored = AlertGroup.objects.filter(route_id=node.key, key=key).first()
    if stored and stored.state == AlertGroup.State.RESOLVED:
        begin_anew(stored, alert, alert.received_at)
    return stored or AlertGroup(
        route=node.route,
        key=key,
        labels=labels,
        fingerprint=alert.fingerprint,
        title=alert.rule,
        priority=alert.priority,
        first_seen_at=alert.received_at,
        last_seen_at=alert.received_at,
    )


def _held(hold: Hold | None) -> Held | None:
    return Held(hold.reason, hold.until) if hold else None


def _messages(owed: Iterable[Delivery]) -> list[Owed]:
    owed = list(owed)
    sinks = Sink.objects.in_bulk([delivery.sink_id for delivery in owed])
    return [
        Owed(
            sink=sinks[delivery.sink_id].name,
            kind=sinks[delivery.sink_id].kind,
            at=delivery.created_at,
            state=str(delivery.state),
            reason=delivery.reason,
            note=_note(sinks[delivery.sink_id], delivery.created_at),
        )
        for delivery in owed
    ]


def _note(sink: Sink, at: datetime) -> str:
    if sink.disabled_reason:
        return f"switched off: {sink.disabled_reason}"
    if not sink.enabled:
        return "paused: the message waits"
    return "failing: left alone for now" if sink.open_until and sink.open_until > at else ""


def _later(group: AlertGroup, node: Node, told_at: datetime) -> list[Later]:
    state = escalation.waiting(
        Waiting(group.unacknowledged_since, group.escalated_to), node.steps, told_at, told=True, firing=True
    )
    return [
        Later(
            at=(state.since or told_at) + timedelta(seconds=step.after),
            sinks=[sink.name for sink in step.sinks],
            reason=escalation.reason(step),
        )
        for step in node.steps
        if step.after > state.escalated_to
    ]


def _actions(node: Node, alert: Alert, holds: Holds, now: datetime) -> list[Asked]:
    hushed = holds.hushed(alert)
    asked = []
    for action in node.actions:
        outcome = hushed.reason if hushed else approvals.forecast(action, alert, node.route, now, dry_run=node.dry_run)
        if isinstance(outcome, ActionRun):
            asked.append(Asked(action.name, str(outcome.mode), str(outcome.state), outcome.reason, outcome.description))
        else:
            asked.append(Asked(action.name, str(action.mode), "", outcome, ""))
    return asked
