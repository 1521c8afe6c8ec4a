"""Conditions that pages suggest: for what is much like an alert, and for what belongs to a group.

They hold for nothing else: where a part of one cannot be said, nothing is suggested, for a silence without that part
would hide more than was asked for.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from routing.alert_fields import CATALOG
from routing.grouping import text_of
from routing.matching import field_problem, problem, value_of
from routing.models import Alert, AlertGroup
from sensor.alert import Priority
from sensor.fields.kinds import STRINGS, Type
from sensor.rules import ast
from sensor.rules.compiler import check_condition

# Said where the alert has them: enough to mean this, not so much that the next one differs.
TELLING = ("proc.name", "k8s.ns.name", "container.image.repository")
ADDRESSES = frozenset({Type.IPADDR, Type.IPNET})
TEXTS = STRINGS | ADDRESSES | {Type.DYN}


class Suggested(NamedTuple):
    """A condition, or why there is none."""

    condition: str = ""
    why_not: str = ""


class Unsaid(ValueError):
    """No condition says this; the text says why."""


def like(alert: Alert) -> Suggested:
    """What holds for this alert and for what is much the same."""
    said = {name: text_of(value_of(alert, name)) for name in ("alert.rule", "alert.hostname", *TELLING)}
    return of_labels({name: label for name, label in said.items() if label or name not in TELLING})


def of_group(group: AlertGroup) -> Suggested:
    """What holds for the alerts of a group, whatever route they took."""
    if not group.labels:
        return Suggested(why_not="Its route groups by no field, so that the group has nothing of its own.")
    # PostgreSQL keeps them in an order of its own.
    return of_labels(dict(sorted(group.labels.items())))


def of_labels(labels: Mapping[str, str]) -> Suggested:
    """What holds where some fields have these values, as groups are called by them."""
    try:
        return together(comparison(name, label) for name, label in labels.items())
    except Unsaid as error:
        return Suggested(why_not=str(error))


def together(parts: Iterable[str]) -> Suggested:
    """What holds where all parts do. Raises Unsaid, as the parts may."""
    condition = " and ".join(parts)
    if found := problem(condition):
        raise Unsaid(f"A condition cannot say this: {found.message}.")
    return Suggested(condition)


def comparison(name: str, label: str) -> str:
    """What holds where a field has this value; an empty one is one that is missing. Raises Unsaid."""
    if said := field_problem(name):
        raise Unsaid(f"{said}.")
    kind, is_list = _kind(name)
    if kind in ADDRESSES:
        # Addresses are equal when they mean the same, however they are written.
        name = f"alert.field[{name}]"
    if is_list:
        name = f'join(", ", {name})'
    if kind in TEXTS or is_list:
        # What is missing is not unlike anything.
        return f"{name} = {quoted(label)}" if label else f'not {name} != ""'
    return f"{name} = {_spelled(kind, label)}" if label else f"not {name} exists"


def _kind(name: str) -> tuple[Type, bool]:
    """The type of a field that alerts have, and whether it is a list of them."""
    left = check_condition(f"{name} exists", CATALOG).left  # type: ignore[union-attr]
    return left.type, left.is_list


def _spelled(kind: Type, label: str) -> str:
    """A value that is no text, as conditions write it."""
    if kind is Type.PRIORITY and label.isdecimal():
        return Priority(int(label)).label.lower()
    return label.lower() if kind is Type.BOOL else label


def quoted(value: str) -> str:
    """A value as the rule language writes it."""
    if value.replace("_", "").replace("-", "").isalnum() and value.isascii():
        return value
    return ast.quoted(value)
