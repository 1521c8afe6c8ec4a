"""Conditions that pages suggest: for what is much like an alert, and for what belongs to a group."""

from collections.abc import Mapping
from typing import Any

from routing.matching import problem
from routing.models import Alert, AlertGroup

# Said where the alert has them: enough to mean this, not so much that the next one differs.
TELLING = ("proc.name", "k8s.ns.name", "container.image.repository")


def like(alert: Alert) -> str:
    """The condition that holds for this alert and for what is much the same."""
    said: dict[str, Any] = {"alert.rule": alert.rule, "alert.hostname": alert.hostname}
    said |= {name: alert.output_fields[name] for name in TELLING if alert.output_fields.get(name)}
    return _all(said)


def of_group(group: AlertGroup) -> str:
    """The condition that holds for the alerts of a group, whatever route they took."""
    return _all(group.labels)


def _all(said: Mapping[str, Any]) -> str:
    parts = [f"{name} = {quoted(str(value))}" for name, value in said.items() if value]
    # A value that no quoting can hold would make a condition that cannot be read.
    return " and ".join(part for part in parts if problem(part) is None)


def quoted(value: str) -> str:
    """A value as the rule language writes it."""
    if value.replace("_", "").replace("-", "").isalnum() and value.isascii():
        return value
    return "'" + value + "'" if '"' in value else '"' + value + '"'
