"""A message as a JSON document, for programs: what CloudEvents, streams and files carry, described in docs/sinks.md.

It is the webhook's body: `type`, `timestamp` and `data`.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from routing.sinks import wording
from routing.sinks.base import AlertFacts, Message
from routing.sinks.http import encode

MOST_VALUE = 8192
"""Characters of a text in a document."""
LEAST_TEXT = 200
"""Bytes of JSON; a text that takes no more is not cut. With what is never cut, three such fit into 1,700."""


def group_id(message: Message) -> str:
    """The group's key as hexadecimal digits: the same for every message about the group."""
    return hashlib.sha256(message.group.key.encode()).hexdigest()


def of_alert(alert: AlertFacts) -> dict[str, Any]:
    """One alert."""
    return {
        "uuid": str(alert.uuid),
        "time": alert.time.isoformat(),
        "rule": alert.rule,
        "priority": alert.priority.label,
        "source": alert.source,
        "hostname": alert.hostname,
        "output": wording.cut(alert.output, MOST_VALUE),
        "output_fields": {
            name: wording.cut(value, MOST_VALUE) if isinstance(value, str) else value
            for name, value in alert.output_fields.items()
        },
        "tags": list(alert.tags),
        "url": alert.url,
    }


def of_message(message: Message, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole message, with the alerts it shall carry."""
    group = message.group
    return {
        "type": f"alerts.{message.event}",
        "timestamp": message.created_at.isoformat(),
        "data": {
            "delivery": str(message.delivery),
            "reason": message.reason,
            "route": message.route,
            "group": {
                "key": group_id(message),
                "title": group.title,
                "priority": group.priority.label,
                "labels": dict(group.labels),
                "count": group.count,
                "first_seen_at": group.first_seen_at.isoformat(),
                "last_seen_at": group.last_seen_at.isoformat(),
                "url": group.url,
            },
            "alert_count": message.alert_count,
            **({"other_groups": message.other_groups} if message.other_groups else {}),
            "alerts": alerts,
        },
    }


def thinned(document: dict[str, Any], most: int) -> bytes:
    """A document of an alert as JSON of at most `most` bytes: large detection fields go first, then `_shortened`."""
    thin = {**document, "output_fields": dict(document["output_fields"])}
    while (over := len(body := encode(thin)) - most) > 0:
        if thin["output_fields"]:
            _drop_largest(thin["output_fields"], over)
        elif not _shortened(thin, {}):
            break
    return body


def fitted(message: Message, most: int, wrap: Callable[[dict[str, Any]], Any] = lambda told: told) -> bytes:
    """A message as JSON of at most `most` bytes, `wrap`ped as the receiver wants it.

    Older alerts are left out first, then the largest fields of the newest one, then it is `_shortened`.
    """
    alerts = [of_alert(alert) for alert in message.alerts]
    told = of_message(message, alerts)
    labels = told["data"]["group"]["labels"]
    while (over := len(body := encode(wrap(told))) - most) > 0:
        if len(alerts) > 1:
            del alerts[: len(alerts) // 2]
        elif alerts[0]["output_fields"]:
            _drop_largest(alerts[0]["output_fields"], over)
        elif not _shortened(alerts[0], labels):
            break
    return body


def _shortened(alert: dict[str, Any], labels: dict[str, str]) -> bool:
    """Halve one thing of what is left beside the fields; False where everything is as short as it gets."""
    if _halved(alert, "output"):
        return True
    if labels:
        if not _halved(labels, max(labels, key=lambda name: len(encode(labels[name])))):
            labels.popitem()
        return True
    if alert["tags"]:
        alert["tags"] = alert["tags"][: len(alert["tags"]) // 2]
        return True
    return _halved(alert, "rule") or _halved(alert, "hostname")


def _halved(texts: dict[str, Any], name: str) -> bool:
    """Cut a text in two, unless it is short already."""
    text = texts[name]
    if len(encode(text)) <= LEAST_TEXT:
        return False
    texts[name] = wording.cut(text, len(text) // 2)
    return True


def _drop_largest(fields: dict[str, Any], over: int) -> None:
    """Take out at least `over` bytes of JSON, or everything."""
    sizes = {name: len(encode({name: value})) for name, value in fields.items()}
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        del fields[name]
        # The braces are not the field's, and the comma is.
        over -= sizes[name] - 1
        if over <= 0:
            return
