"""Messages in a sink's own words: what its templates see of a message, and what stands where they fail."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from routing.sandbox import MOST_OUTPUT, TemplateError, render
from routing.sinks import document, wording
from routing.sinks.base import AlertFacts, Message, Templated

MOST_ALERTS = 10
"""Of a message that its templates see, the newest."""


def worded(message: Message, takes: Templated, title: str, body: str) -> tuple[Message, str]:
    """A message in a sink's own words, and what was wrong with them, in a sentence; the usual words stand for those."""
    said: dict[str, str] = {}
    wrong: list[str] = []
    context: dict[str, Any] = {}
    for part, source in (("title", title), ("body", body)):
        if source:
            try:
                context = context or context_of(message)
                said[part] = one(source, part, takes, context)
            except TemplateError as error:
                wrong.append(f"The {part} template failed ({error}), so the usual {part} was sent")
            except Exception as error:
                # A message must not be lost over its words. The exception's text may hold what was to be sent.
                wrong.append(f"The {part} template failed ({type(error).__name__}), so the usual {part} was sent")
    told = replace(message, title=said.get("title", ""), body=said.get("body", ""))
    return told, "; ".join(wrong)


def one(source: str, part: str, takes: Templated, context: Mapping[str, Any]) -> str:
    """The `title` or `body` that a template makes for a kind of sink. Raises TemplateError."""
    markup = takes.format if part == "body" else "text"
    made = render(source, context, html=markup == "html")
    most = takes.most(part)
    if markup == "json":
        try:
            json.loads(made)
        except (ValueError, RecursionError) as error:
            raise TemplateError(f"it makes no JSON: {error}") from None
    # Texts are cut, but what is left of a document would be none.
    if markup != "text" and len(made.encode()) > most:
        raise TemplateError(f"it makes more than the {most:,} bytes that are taken")
    return made


def context_of(message: Message) -> dict[str, Any]:
    """What templates can speak of, described in docs/sinks.md."""
    group = message.group
    return {
        "event": message.event,
        "reason": message.reason,
        "route": message.route,
        "headline": wording.headline(message),
        "title": group.title,
        "priority": group.priority.label,
        "labels": dict(group.labels),
        "count": group.count,
        "alert_count": message.alert_count,
        "other_groups": message.other_groups,
        "url": group.url,
        "acknowledge_url": group.acknowledge_url,
        "silence_url": group.silence_url,
        "alert": _alert(message.newest),
        "alerts": [_alert(alert) for alert in message.alerts[-MOST_ALERTS:]],
        "document": json.loads(document.fitted(message, MOST_OUTPUT // 4)),
    }


def _alert(alert: AlertFacts) -> dict[str, Any]:
    told = document.of_alert(alert)
    return {
        **told,
        "fields": told["output_fields"],
        "process": wording.process_tree(alert),
        "command": wording.command_line(alert),
    }
