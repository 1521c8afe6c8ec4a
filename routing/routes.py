"""What people change about routes: checked, versioned and remembered, in one transaction.

A route's facts are all that it says, as JSON, with the names of what it refers to. The API, the history and drafts
that are only tried out have the same form.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max, Model, QuerySet

from routing import audit, tree, waiting
from routing.access import Actor, insist
from routing.faults import Conflict, Fault, check_condition, check_fields
from routing.grouping import ALONE
from routing.models import AlertGroup, EscalationStep, ResponseAction, Route, RouteVersion, Sink, TimeInterval
from routing.models.route import WEEK
from routing.tree import DEEPEST, SETTINGS

Facts = dict[str, Any]

PLAIN = ("name", "condition", "continues", "enabled", "dry_run", *SETTINGS)
NAMED: dict[str, type[Model]] = {
    "sinks": Sink,
    "actions": ResponseAction,
    "mute_in": TimeInterval,
    "active_in": TimeInterval,
}
FOLLOWED = {"enabled", "parent", "escalation", *SETTINGS[1:]}
"""What holds at once for the groups that a route and those beneath it have."""
FOLLOWED_ALONE = {"mute_in", "active_in"}
"""The same, but not inherited."""
SOONEST_STEP = 60
"""Seconds."""
MOST_POSITION = 2**31 - 1


def facts_of(route: Route) -> Facts:
    """All that a stored route says."""
    facts: Facts = {name: getattr(route, name) for name in PLAIN}
    facts |= {name: [str(one) for one in getattr(route, name).all()] for name in NAMED}
    steps = [{"after": step.after, "sinks": [sink.name for sink in step.sinks.all()]} for step in route.steps.all()]
    parent = route.parent.name if route.parent else None
    return ordered({**facts, "escalation": steps, "parent": parent, "position": route.position})


def ordered(facts: Facts) -> Facts:
    """The same facts, with lists whose order says nothing in one order: the databases have each their own."""
    steps = [{**step, "sinks": sorted(set(step["sinks"]))} for step in facts["escalation"]]
    named = {name: sorted(set(facts[name])) for name in NAMED}
    return {**facts, **named, "escalation": sorted(steps, key=lambda step: int(step["after"]))}


def save(
    route: Route | None,
    changes: Mapping[str, Any],
    by: Actor,
    now: datetime,
    ip: str | None = None,
    version: int | None = None,
    verb: str = "",
) -> Route:
    """Make a route, or change one, by some of its facts; the next alert walks it, and what fires there follows it.

    `version` is the one that the change was made from. Raises PermissionDenied; Conflict where another is
    stored by now; Fault for what cannot be.
    """
    insist(by, "edit")
    with transaction.atomic():
        everything = {one.pk: one for one in locked()}
        stored = everything.get(route.pk) if route and route.pk else None
        if route and route.pk and (stored is None or version not in (None, stored.version)):
            raise Conflict("version", "Somebody changed this route in the meantime; load it again.")
        before = facts_of(stored) if stored else None
        facts = ordered({**(before or _empty()), **changes})
        found = check(facts, list(everything.values()), stored)
        if facts == before and stored:
            return stored
        saved = _write(stored or Route(), facts, found)
        _append(saved, before, facts, by, now)
        if before:
            _follow(saved, {name for name in facts if facts[name] != before[name]}, now)
        audit.record(by, verb or ("edit" if before else "create"), saved, before, facts, ip=ip, now=now)
    return saved


def restore(route: Route, number: int, by: Actor, now: datetime, ip: str | None = None) -> Route:
    """Make an earlier version the newest one; the route stays at its place among its siblings.

    Raises PermissionDenied, RouteVersion.DoesNotExist, and Fault where what it referred to is gone.
    """
    earlier = route.versions.get(number=number)
    facts = {name: value for name, value in earlier.facts.items() if name != "position"}
    return save(route, facts, by, now, ip, verb="restore")


def move(route: Route, places: int, by: Actor, now: datetime, ip: str | None = None) -> None:
    """Up (below zero) or down among its siblings. Raises PermissionDenied."""
    insist(by, "edit")
    with transaction.atomic():
        siblings = [one for one in locked() if one.parent_id == route.parent_id]
        here = siblings.index(route)
        there = here + places
        if not 0 <= there < len(siblings):
            return
        siblings.insert(there, siblings.pop(here))
        for position, each in enumerate(siblings, start=1):
            if each.position != position:
                before = facts_of(each)
                each.position = position
                each.save(update_fields=["position"])
                _append(each, before, facts_of(each), by, now)
        audit.record(by, "move", route, here + 1, there + 1, ip=ip, now=now)


def delete(route: Route, by: Actor, now: datetime, ip: str | None = None) -> None:
    """It takes nothing any more and is not seen. Its groups tell what they have to tell, and end.

    The row stays for as long as something that it told does (`routing.keeping`). Raises PermissionDenied; Conflict
    where it is deleted already; Fault where there are routes beneath it.
    """
    insist(by, "edit")
    with transaction.atomic():
        standing = locked()
        if route not in standing:
            raise Conflict("name", "Somebody deleted this in the meantime.")
        beneath = [one.name for one in standing if one.parent_id == route.pk]
        if beneath:
            raise Fault("parent", f"There are routes beneath it: {', '.join(beneath)}. Move or delete those first.")
        before = facts_of(route)
        Route.objects.filter(pk=route.pk).update(deleted_at=now)
        waiting.follow([route.pk], now, collecting=True)
        audit.record(by, "delete", route, before=before, ip=ip, now=now)


def going_on(route: Route) -> QuerySet[AlertGroup]:
    """Its groups that are not resolved."""
    return AlertGroup.objects.filter(route=route, state__in=AlertGroup.UNRESOLVED)


def check(facts: Mapping[str, Any], others: Sequence[Route], stored: Route | None = None) -> dict[str, list[Any]]:
    """What a route's names stand for. Raises Fault with what cannot be."""
    name = facts["name"].strip()
    if not 1 <= len(name) <= 100:
        raise Fault("name", "A route needs a name of at most 100 characters.")
    if any(one.name == name and one != stored for one in others):
        raise Fault("name", f"There is a route called {name!r} already.")
    check_condition("condition", facts["condition"])
    check_fields("group_by", [field for field in facts["group_by"] or () if field != ALONE])
    for setting in SETTINGS[1:]:
        if not 0 <= (facts[setting] or 0) <= WEEK:
            raise Fault(setting, f"{setting} is in seconds, from 0 to {WEEK}.")
    if not 0 <= (facts["position"] or 0) <= MOST_POSITION:
        raise Fault("position", f"A position is a number from 0 to {MOST_POSITION}.")
    _check_place(facts["parent"], {one.name: one for one in others}, stored)
    delays = [step["after"] for step in facts["escalation"]]
    if len(set(delays)) < len(delays) or not all(SOONEST_STEP <= delay <= WEEK for delay in delays):
        raise Fault("escalation", f"Each step comes after its own number of seconds, from {SOONEST_STEP} to {WEEK}.")
    if not all(step["sinks"] for step in facts["escalation"]):
        raise Fault("escalation", "A step needs a sink to tell.")
    found = {field: _named(model, facts[field], field) for field, model in NAMED.items()}
    return {**found, "escalation": [_named(Sink, step["sinks"], "escalation") for step in facts["escalation"]]}


def _check_place(parent: str | None, by_name: Mapping[str, Route], stored: Route | None) -> None:
    """Raises Fault where the parent is not there, too deep, or beneath the route itself."""
    above, levels = parent, _height(stored, by_name.values())
    while above is not None:
        if above not in by_name:
            raise Fault("parent", f"There is no route called {above!r}.")
        if stored and by_name[above].pk == stored.pk:
            raise Fault("parent", "A route cannot be beneath itself.")
        levels += 1
        if levels > DEEPEST:
            raise Fault("parent", f"At most {DEEPEST} routes can be beneath each other.")
        next_one = by_name[above].parent
        above = next_one.name if next_one else None


def _height(route: Route | None, others: Iterable[Route]) -> int:
    """How many levels a route and what is beneath it take."""
    below = [one for one in others if route and one.parent_id == route.pk]
    return 1 + max((_height(one, others) for one in below), default=0)


def _named(model: type[Model], names: Sequence[str], field: str) -> list[Any]:
    rows = {str(row): row for row in model._default_manager.filter(name__in=names)} if names else {}
    if missing := [name for name in names if name not in rows]:
        raise Fault(field, f"There is no {model._meta.verbose_name} called {missing[0]!r}.")
    return [rows[name] for name in dict.fromkeys(names)]


def locked() -> list[Route]:
    """Every route, which nobody else changes until this transaction ends. Alerts go on being routed."""
    locked = Route.objects.select_for_update(no_key=True, of=("self",)).select_related("parent")
    return list(locked.order_by("position", "pk"))


def _empty() -> Facts:
    """What a new route says that says nothing."""
    plain = {name: getattr(Route(), name) for name in PLAIN}
    return {**plain, **{name: [] for name in NAMED}, "escalation": [], "parent": None, "position": None}


def _write(route: Route, facts: Facts, found: dict[str, list[Any]]) -> Route:
    for name in PLAIN:
        setattr(route, name, facts[name])
    route.name = route.name.strip()
    route.parent = Route.objects.get(name=facts["parent"]) if facts["parent"] else None
    if facts["position"] is None:
        last = Route.objects.filter(parent=route.parent).aggregate(last=Max("position"))["last"]
        facts["position"] = (last or 0) + 1
    route.position = facts["position"]
    route.save()
    for name in NAMED:
        getattr(route, name).set(found[name])
    route.steps.all().delete()
    for step, told in zip(facts["escalation"], found["escalation"], strict=True):
        EscalationStep.objects.create(route=route, after=step["after"]).sinks.set(told)
    return route


def _follow(route: Route, changed: set[str], now: datetime) -> None:
    """What fires already goes by what the route says now, too."""
    if changed & (FOLLOWED | FOLLOWED_ALONE):
        node = tree.load().by_key[route.pk]
        routes = [one.key for one in (node.below() if changed & FOLLOWED else [node])]
        waiting.follow(routes, now, collecting="group_wait" in changed)


def _append(route: Route, before: Facts | None, after: Facts, by: Actor, now: datetime) -> None:
    """The next version; and the one before it, of a route that was made without."""
    if before is not None:
        if not route.versions.exists():
            route.versions.create(number=route.version, facts=before, by=audit.SYSTEM, at=now)
        route.version += 1
        route.save(update_fields=["version"])
    RouteVersion.objects.create(route=route, number=route.version, facts=after, by=audit.name_of(by), at=now)
