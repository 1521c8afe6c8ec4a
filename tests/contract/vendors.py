"""What three vendors publish about the messages that they take, as checks that say everything that is wrong.

They are written from the vendors' pages, not from the code that is checked.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook as StandardWebhook

from tests.routing.sinks import samples


def _length(text: str) -> int:
    """In UTF-16 units: the vendors say characters, and JavaScript counts these."""
    return len(text.encode("utf-16-le")) // 2


def _is_text(value: Any, most: int) -> bool:
    return isinstance(value, str) and bool(value.strip()) and _length(value) <= most


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _unknown(where: str, given: Mapping[str, Any], *known: str) -> Iterator[str]:
    for name in given.keys() - set(known):
        yield f"{where} has {name}, which is not documented"


# docs.slack.dev: "chat.postMessage" (Truncating content, attachments), "Secondary message attachments",
# "Block Kit reference" (section, context), "Text object", "Formatting message text" (escaping, special mentions).
_SLACK_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SLACK_OURS = re.compile(
    rf"\*Command line\*\n```.*```|<{re.escape(samples.SITE)}[^<>]*>(  ·  <{re.escape(samples.SITE)}[^<>]*>)*", re.DOTALL
)
_SLACK_LINK = re.compile(rf"<{re.escape(samples.SITE)}[^<>|\s]*\|[^<>|]+>")


def slack(payload: Mapping[str, Any]) -> Iterator[str]:
    """What Slack would refuse, cut or read as something else."""
    yield from _unknown("the message", payload, "text", "mrkdwn", "parse", "attachments")
    if (payload.get("mrkdwn"), payload.get("parse")) != (False, "none"):
        yield "text is read as markup"
    if not _is_text(payload.get("text"), 4000):
        yield "text is not of 1 to 4,000 characters"
    yield from _slack_markup("text", payload["text"])
    if not 0 < len(payload["attachments"]) <= 100:
        yield "there are not 1 to 100 attachments"
    for attachment in payload["attachments"]:
        yield from _unknown("an attachment", attachment, "color", "fallback", "blocks")
        if not _SLACK_COLOUR.fullmatch(attachment["color"]):
            yield "color is not a hexadecimal colour"
        if not _is_text(attachment["fallback"], 4000):
            yield "fallback is not a text"
        if not 0 < len(attachment["blocks"]) <= 50:
            yield "there are not 1 to 50 blocks"
        for block in attachment["blocks"]:
            yield from _slack_block(block)


def _slack_block(block: Mapping[str, Any]) -> Iterator[str]:
    match block:
        case {"type": "section", "text": text, **rest} if not rest:
            yield from _slack_text("a section's text", text, 3000)
        case {"type": "section", "fields": fields, **rest} if not rest:
            if not 0 < len(fields) <= 10:
                yield "a section has not 1 to 10 fields"
            for one in fields:
                yield from _slack_text("a field", one, 2000)
        case {"type": "context", "elements": elements, **rest} if not rest:
            if not 0 < len(elements) <= 10:
                yield "a context has not 1 to 10 elements"
            for one in elements:
                yield from _slack_text("an element", one, 3000)
        case _:
            yield f"a block is none that is documented: {sorted(block)}"


def _slack_text(where: str, given: Mapping[str, Any], most: int) -> Iterator[str]:
    plain = given.get("type") == "plain_text" and given.keys() == {"type", "text", "emoji"}
    marked = given.get("type") == "mrkdwn" and given.keys() == {"type", "text", "verbatim"}
    if not plain and not marked:
        yield f"{where} is no text object"
    elif marked and not _SLACK_OURS.fullmatch(given["text"]):
        yield f"{where} lets an alert's text be read as markup"
    elif not _is_text(given["text"], most):
        yield f"{where} has {_length(given['text'])} characters, not 1 to {most}"
    else:
        yield from _slack_markup(where, given["text"])


def _slack_markup(where: str, text: str) -> Iterator[str]:
    rest = _SLACK_LINK.sub("", text)
    if re.search(r"[<>]|&(?!amp;|lt;|gt;)", rest):
        yield f"{where} has markup that is not ours"
    if text.startswith("*Command line*") and text.count("```") != 2:
        yield f"{where} has not one block of code"


# developer.pagerduty.com: "Send an Alert Event" (parameters), "Events API v2 overview" (size limits, severities).
_PAGERDUTY_SEVERITIES = {"critical", "error", "warning", "info"}


def pagerduty(event: Mapping[str, Any], size: int) -> Iterator[str]:
    """What PagerDuty would answer with 400, or cut."""
    if size > 512_000:
        yield f"the event has {size} bytes, more than 512 KB"
    if not (isinstance(event.get("routing_key"), str) and len(event["routing_key"]) == 32):
        yield "routing_key has not 32 characters"
    if not _is_text(event.get("dedup_key"), 255):
        yield "dedup_key is not of 1 to 255 characters"
    if event["event_action"] in ("acknowledge", "resolve"):
        yield from _unknown("the event", event, "routing_key", "event_action", "dedup_key")
        return
    if event["event_action"] != "trigger":
        yield f"event_action is {event['event_action']}"
    optional = ("client", "client_url", "links", "images")
    yield from _unknown("the event", event, "routing_key", "event_action", "dedup_key", "payload", *optional)
    for link in event["links"]:
        if link.keys() != {"href", "text"} or not link["href"].startswith("https://") or not link["text"]:
            yield "a link has not href and text"
    if not event["client_url"].startswith("https://"):
        yield "client_url is no address"
    yield from _pagerduty_payload(event["payload"])


def _pagerduty_payload(payload: Mapping[str, Any]) -> Iterator[str]:
    optional = ("timestamp", "component", "group", "class", "custom_details")
    yield from _unknown("the payload", payload, "summary", "source", "severity", *optional)
    if not _is_text(payload.get("summary"), 1024):
        yield "summary is not of 1 to 1,024 characters"
    if not (isinstance(payload.get("source"), str) and payload["source"]):
        yield "source is empty"
    if payload.get("severity") not in _PAGERDUTY_SEVERITIES:
        yield f"severity is {payload.get('severity')}"
    if not _is_time(payload["timestamp"]):
        yield "timestamp is not ISO 8601"
    for name in ("component", "group", "class"):
        if not isinstance(payload[name], str):
            yield f"{name} is no text"
    if not isinstance(payload["custom_details"], dict):
        yield "custom_details is no object"


# github.com/standard-webhooks/standard-webhooks, "spec/standard-webhooks.md": payload structure, event types, webhook
# metadata, signature scheme.
_EVENT_TYPE = re.compile(r"[a-zA-Z0-9_]+(?:\.[a-zA-Z0-9_]+)*")


def standard_webhook(body: bytes, headers: Mapping[str, str], secret: str) -> Iterator[str]:
    """What a receiver that follows Standard Webhooks would refuse. Raises what its library raises."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    document = json.loads(body, parse_constant=refuse)
    yield from _unknown("the body", document, "type", "timestamp", "data")
    if not _EVENT_TYPE.fullmatch(document["type"]):
        yield "type is not words with dots between them"
    if not _is_time(document["timestamp"]):
        yield "timestamp is not ISO 8601"
    if not isinstance(document["data"], dict):
        yield "data is no object"
    if "." in headers["webhook-id"] or not headers["webhook-timestamp"].isdigit():
        yield "the metadata are not those of the standard"
    StandardWebhook(secret).verify(body, dict(headers))
