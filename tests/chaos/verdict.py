"""What must be true when everything is done, and the figures of a run.

Every check gives back what breaks it; nothing may.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Count, F

from routing import audit
from routing.models import ActionRun, Alert, AlertGroup, Attempt, Delivery, GroupedAlert, Unrouted
from tests.chaos import scene
from tests.chaos.load import Told

State = Delivery.State
TAKEN = ("taken", "taken unsaid")
"""The receiver's words for what it took."""
LOST = "not stored"
"""The check that counts what was lost for good."""


@dataclass
class Arrivals:
    """What the receiver wrote down."""

    at: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """By sink."""

    @classmethod
    def read(cls, file: Path) -> "Arrivals":
        arrivals = cls()
        with file.open("rb") as lines:
            for line in lines:
                arrival = json.loads(line)
                arrivals.at[arrival["sink"]].append(arrival)
        return arrivals

    def taken(self, sink: str) -> dict[str, dict[str, Any]]:
        """The newest arrival of each delivery that the receiver took."""
        return {one["delivery"]: one for one in self.at[sink] if one["answer"] in TAKEN}


@dataclass(frozen=True)
class Facts:
    """What the checks compare."""

    told: Told
    results: dict[str, str]
    """What the node told of its runs, by run."""
    arrivals: Arrivals


def not_stored(facts: Facts) -> Iterable[str]:
    """Acknowledged alerts that are not in the database."""
    return map(str, facts.told.acknowledged - _stored())


def stored_wrongly(facts: Facts) -> Iterable[str]:
    """Alerts that are stored twice, or that nobody posted."""
    if Alert.objects.count() != len(_stored()):
        yield "an alert is stored twice"
    yield from map(str, _stored() - facts.told.posted.keys())


def not_routed_once(facts: Facts) -> Iterable[str]:
    """Stored alerts that are not exactly once in a group of each of their routes."""
    if waiting := Unrouted.objects.count():
        yield f"{waiting} alerts wait to be routed"
    found = Counter(GroupedAlert.objects.values_list("alert_id", "group__route__name"))
    wanted = Counter(
        (uuid, route)
        for uuid in _stored() & facts.told.posted.keys()
        for route in scene.routes_of(facts.told.posted[uuid])
    )
    for uuid, route in (found - wanted) + (wanted - found):
        yield f"{uuid} in {route}: {found[uuid, route]} times"


def groups_counted_wrongly(facts: Facts) -> Iterable[str]:
    """Groups whose count is not that of their alerts, or who were not told of all."""
    groups = AlertGroup.objects.annotate(members_found=Count("members__alert"))
    for group in groups.exclude(count=F("members_found"), told_count=F("members_found")):
        yield f"group {group.pk}: {group.members_found} alerts, counts {group.count}, told {group.told_count}"


def not_told_once(facts: Facts) -> Iterable[str]:
    """Alerts that exactly one delivery for each sink of each of their routes does not stand for."""
    ended = Delivery.objects.filter(state__in=[State.SENT, State.UNKNOWN])
    folded: defaultdict[int, set[str]] = defaultdict(set)
    for into, alerts in Delivery.objects.exclude(folded_into=None).values_list("folded_into", "alert_ids"):
        folded[into].update(alerts)
    named: Counter[tuple[str, str, str]] = Counter()
    for delivery in ended.values_list("pk", "sink__name", "route__name", "alert_ids", "alert_count"):
        pk, sink, route, alerts, count = delivery
        # A digest names the newest alerts only, and stands for all of what was folded into it.
        stands_for = {*alerts, *folded[pk]}
        named.update((uuid, route, sink) for uuid in stands_for)
        if count != len(stands_for):
            yield f"delivery {pk} stands for {len(stands_for)} alerts and counts {count}"
    sinks = {scene.EVERY: scene.REPEATING, scene.SEVERE: (scene.ONCE,), scene.MINERS: (scene.WELL,)}
    routed = GroupedAlert.objects.values_list("alert_id", "group__route__name")
    wanted = Counter((str(uuid), route, sink) for uuid, route in routed for sink in sinks[route])
    for uuid, route, sink in (named - wanted) + (wanted - named):
        yield f"{uuid} of {route} to {sink}: {named[uuid, route, sink]} times"


def not_settled(facts: Facts) -> Iterable[str]:
    """Deliveries that ended as none of these may."""
    good = Delivery.objects.filter(state__in=[State.SENT, State.FOLDED])
    unsure = Delivery.objects.filter(state=State.UNKNOWN, sink__name=scene.ONCE)
    for delivery in Delivery.objects.exclude(pk__in=good.values("pk")).exclude(pk__in=unsure.values("pk")):
        yield f"delivery {delivery.uuid}: {delivery.state}, {delivery.error}"


def not_arrived(facts: Facts) -> Iterable[str]:
    """Deliveries that count as sent and never reached their receiver, or arrived as something else."""
    for sink in scene.REPEATING:
        taken = facts.arrivals.taken(sink)
        sent = Delivery.objects.filter(sink__name=sink, state=State.SENT)
        for uuid, alerts, count in sent.values_list("uuid", "alert_ids", "alert_count"):
            arrival = taken.get(str(uuid))
            if arrival is None:
                yield f"{sink}: {uuid} did not arrive"
            elif arrival["alerts"] != alerts or arrival["count"] != count:
                yield f"{sink}: {uuid} arrived with {arrival['count']} alerts instead of {count}"


def repeated_differently(facts: Facts) -> Iterable[str]:
    """Arrivals that are no delivery of ours, or whose repeats are not the same."""
    for sink in scene.REPEATING:
        ours = set(map(str, Delivery.objects.filter(sink__name=sink).values_list("uuid", flat=True)))
        first: dict[str, list[str]] = {}
        for arrival in facts.arrivals.at[sink]:
            if arrival["delivery"] not in ours:
                yield f"{sink}: {arrival['delivery']} is not known"
            if first.setdefault(arrival["delivery"], arrival["alerts"]) != arrival["alerts"]:
                yield f"{sink}: {arrival['delivery']} was repeated with other alerts"


def told_twice_where_forbidden(facts: Facts) -> Iterable[str]:
    """Groups that the sink without repeats was told of too often, or of which a sent message did not arrive."""
    taken = Counter(one["group"] for one in facts.arrivals.at[scene.ONCE] if one["answer"] in TAKEN)
    there = Delivery.objects.filter(sink__name=scene.ONCE)
    sent = Counter(there.filter(state=State.SENT).values_list("group", flat=True))
    unknown = Counter(there.filter(state=State.UNKNOWN).values_list("group", flat=True))
    for group in taken.keys() | sent.keys():
        if not sent[group] <= taken[group] <= sent[group] + unknown[group]:
            yield f"group {group}: {sent[group]} sent, {unknown[group]} unknown, {taken[group]} arrived"


def not_asked_once(facts: Facts) -> Iterable[str]:
    """Alerts of the route with an action that do not have exactly one run, and runs whose told result is not kept."""
    runs = {str(run.uuid): run for run in ActionRun.objects.all()}
    found = Counter(run.alert_id for run in runs.values())
    wanted = Counter(GroupedAlert.objects.filter(group__route__name=scene.MINERS).values_list("alert_id", flat=True))
    for uuid in (found - wanted) + (wanted - found):
        yield f"{uuid}: {found[uuid]} runs"
    for uuid, state in facts.results.items():
        if runs[uuid].state != state:
            yield f"run {uuid} is {runs[uuid].state}, though {state} was told"


def audit_broken(facts: Facts) -> Iterable[str]:
    """Where the audit log's chain does not hold."""
    verdict = audit.verify()
    if verdict.broken_at is not None:
        yield str(verdict)


CHECKS: dict[str, Callable[[Facts], Iterable[str]]] = {
    check.__name__.replace("_", " "): check
    for check in (
        not_stored,
        stored_wrongly,
        not_routed_once,
        groups_counted_wrongly,
        not_told_once,
        not_settled,
        not_arrived,
        repeated_differently,
        told_twice_where_forbidden,
        not_asked_once,
        audit_broken,
    )
}


def broken(facts: Facts) -> dict[str, list[str]]:
    """What breaks a promise, by check; a check that nothing breaks is left out."""
    found = {name: list(check(facts)) for name, check in CHECKS.items()}
    return {name: problems for name, problems in found.items() if problems}


def figures(facts: Facts) -> dict[str, int]:
    """What to print."""
    arrived = [one for sink in scene.REPEATING for one in facts.arrivals.at[sink]]
    states = Counter(Delivery.objects.values_list("state", flat=True))
    runs = Counter(ActionRun.objects.values_list("state", flat=True))
    taken = [one["delivery"] for one in arrived if one["answer"] in TAKEN]
    return {
        "acknowledged": len(facts.told.acknowledged),
        "stored": Alert.objects.count(),
        "duplicates refused": facts.told.duplicates,
        "groups": AlertGroup.objects.count(),
        "deliveries": sum(states.values()),
        "digests": Delivery.objects.filter(state=State.SENT, other_groups__gt=0).count(),
        **{f"deliveries {state}": count for state, count in sorted(states.items())},
        "attempts": Attempt.objects.count(),
        "attempts without outcome": Attempt.objects.filter(outcome=Attempt.Outcome.UNKNOWN).count(),
        "arrived": sum(map(len, facts.arrivals.at.values())),
        "taken again by the receiver": len(taken) - len(set(taken)),
        **{f"runs {state}": count for state, count in sorted(runs.items())},
    }


def _stored() -> set[UUID]:
    return set(Alert.objects.values_list("uuid", flat=True))
