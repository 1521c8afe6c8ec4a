"""The versions of a route and what each changed, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routing.models import Route, RouteVersion
from routing.templatetags.display import span

SHOWN = 50
WORDS = {
    "name": "Name",
    "parent": "Beneath",
    "position": "Place",
    "condition": "Condition",
    "sinks": "Sinks",
    "escalation": "Escalation",
    "actions": "Response actions",
    "mute_in": "Waits while",
    "active_in": "Tells only while",
    "continues": "Goes on after a match",
    "enabled": "Enabled",
    "dry_run": "Dry run",
    "group_by": "Group by",
    "group_wait": "Group wait",
    "group_interval": "Group interval",
    "repeat_interval": "Repeat interval",
    "resolve_after": "Resolve after",
}


@dataclass(frozen=True)
class Change:
    """One fact that a version has otherwise than the one before it; `before` is empty in the first version."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Step:
    """A version with what it changed."""

    version: RouteVersion
    changes: list[Change]
    first: bool
    current: bool


def history(route: Route) -> list[Step]:
    """The newest versions, newest first."""
    versions = list(route.versions.all()[: SHOWN + 1])
    steps = []
    for at, one in enumerate(versions[:SHOWN], start=1):
        before = versions[at] if at < len(versions) else None
        changes = _changes(before.facts if before else {}, one.facts)
        steps.append(Step(one, changes, before is None, one.number == route.version))
    return steps


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(words, said(name, before[name]) if name in before else "", said(name, after.get(name)))
        for name, words in WORDS.items()
        if (before[name] != after.get(name) if name in before else after.get(name) not in (None, [], False))
    ]


def said(name: str, value: Any) -> str:
    """One fact in words."""
    match value:
        case None:
            return "at the top" if name == "parent" else "as the route above it"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if name == "position" else span(value)
        case [{"after": _}, *_]:
            return "; ".join(f"after {span(step['after'])} {', '.join(step['sinks'])}" for step in value)
        case list():
            return ", ".join(value) or ("nothing: one group" if name == "group_by" else "none")
        case "":
            return "every alert"
        case _:
            return str(value)
