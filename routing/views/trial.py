"""What would become of an alert now, without anything happening: which routes take it, and whom they would tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from routing.admission import Rejected, Sender, admit
from routing.grouping import labels_of
from routing.holds import Hold, Holds
from routing.lookups import Tables
from routing.matching import Match, explain, nodes_for, value_of
from routing.models import Alert
from routing.tree import Node, Tree
from sensor.alert import rfc3339

NOBODY = Sender(0, "", "", "")


class NoAlert(ValueError):
    """What was pasted is no alert; the text says why."""


@dataclass(frozen=True)
class Ending:
    """A route that takes the alert."""

    node: Node
    labels: Mapping[str, str]
    """Of the group that it would join."""
    hold: Hold | None
    """What the route waits for with telling."""


@dataclass(frozen=True)
class Trial:
    """Everything about one try."""

    alert: Alert
    verdicts: dict[int, Match]
    endings: list[Ending]
    hold: Hold | None
    """What holds the alert itself: then nobody is told, now or later."""
    hushed: bool
    """Whether it is a silence or a window: then nothing is asked for either."""


def attempt(alert: Alert, tree: Tree, now: datetime) -> Trial:
    """Walk the tree with an alert, stored or pasted."""
    Tables().enrich([alert])
    holds = Holds(now)
    endings = [
        Ending(node, labels_of(str(alert.uuid), node.group_by, partial(value_of, alert)), holds.of_route(node))
        for node in nodes_for(alert, tree)
    ]
    verdicts = {one.node.key: one.match for one in explain(alert, tree)}
    return Trial(alert, verdicts, endings, holds.of_alert(alert), holds.hushed(alert) is not None)


def pasted(text: str, now: datetime) -> Alert:
    """The alert of a JSON text, not stored; without a time it is of `now`. Raises NoAlert."""
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoAlert(f"This is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise NoAlert("An alert is one JSON object, as Falco writes it.")
    nanoseconds = int(now.timestamp() * 1000) * 1_000_000
    try:
        row = admit({"time": rfc3339(nanoseconds), **given}, NOBODY)
    except Rejected as error:
        raise NoAlert(f"{error}.") from None
    said = {name: getattr(row, name) for name in ("uuid", "time", "time_ns", "rule", "priority", "source", "hostname")}
    return Alert(
        **said,
        received_at=now,
        output=row.output,
        output_fields=json.loads(row.output_fields),
        tags=json.loads(row.tags),
        fingerprint=row.fingerprint,
    )
