"""A thousand messages against what the vendors publish."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from routing.sinks.base import Message
from routing.sinks.http import encode
from routing.sinks.pagerduty import PagerDuty
from routing.sinks.slack import Slack
from routing.sinks.webhook import MOST_BYTES, Webhook, signature, signing_key
from tests.contract import generated, vendors
from tests.routing.sinks import samples

MESSAGES = 1000
MARKED = {"type": "mrkdwn", "text": "*bold* or ```code", "verbatim": True}
BATCHES = 10
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def for_slack(message: Message) -> list[str]:
    return list(vendors.slack(Slack({"webhook_url": "https://hooks.slack.com/services/T/B/x"}).payload(message)))


def for_pagerduty(message: Message) -> list[str]:
    event = PagerDuty({"routing_key": "k" * 32}).payload(message)
    return list(vendors.pagerduty(event, len(encode(event))))


def for_a_webhook(message: Message) -> list[str]:
    body, now, name = Webhook({"url": "https://x"}).body(message), int(time.time()), str(message.delivery)
    signed = signature(signing_key(SECRET), name, now, body)
    headers = {"webhook-id": name, "webhook-timestamp": str(now), "webhook-signature": signed}
    too_large = [f"the body has {len(body)} bytes"] if len(body) > MOST_BYTES else []
    return [*vendors.standard_webhook(body, headers, SECRET), *too_large]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_thousand_messages_are_what_the_vendors_take(batch: int) -> None:
    checks: dict[str, Callable[[Message], list[str]]] = {
        "slack": for_slack,
        "pagerduty": for_pagerduty,
        "webhook": for_a_webhook,
    }
    wrong: list[Any] = []
    for number in range(batch * MESSAGES // BATCHES, (batch + 1) * MESSAGES // BATCHES):
        message = generated.message(number)
        wrong += [(number, name, found) for name, check in checks.items() if (found := check(message))]
    assert wrong == []


def test_the_thousand_have_what_hurts() -> None:
    messages = [generated.message(number) for number in range(200)]
    newest = [message.newest for message in messages]
    assert {message.event for message in messages} == set(samples.EVENTS)
    assert any(len(str(alert.output_fields.get("proc.cmdline"))) == generated.LONGEST for alert in newest)
    assert any(len(alert.output_fields) >= 300 for alert in newest)
    assert any(not alert.output_fields for alert in newest)
    assert any(alert.output_fields.get("proc.cmdline") == "" for alert in newest)
    assert any(not alert.output or not alert.rule or not alert.hostname for alert in newest)
    assert any("😀" in alert.output for alert in newest)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("text",), "", "text is not"),
        (("text",), "x" * 4001, "text is not"),
        (("text",), "<!channel>", "markup that is not ours"),
        (("attachments", 0, "blocks", 0, "text", "text"), "😀" * 1501, "3002 characters"),
        (("attachments", 0, "blocks", 3, "text", "text"), "*Command line*\n``` ``` ```", "not one block of code"),
        (("attachments", 0, "blocks", 0, "text"), MARKED, "lets an alert's text be read as markup"),
        (("mrkdwn",), True, "text is read as markup"),
        (("parse",), "client", "text is read as markup"),
        (("attachments", 0, "blocks", 1, "fields"), [], "1 to 10 fields"),
        (("attachments", 0, "blocks"), [{"type": "divider"}], "none that is documented"),
        (("attachments", 0, "color"), "red", "color"),
    ],
)
def test_slacks_check_finds_what_slack_would_refuse(path: tuple[Any, ...], value: object, words: str) -> None:
    payload = Slack({"webhook_url": "https://x"}).payload(samples.message())
    assert list(vendors.slack(payload)) == []
    assert words in str(list(vendors.slack(changed(payload, path, value))))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("routing_key",), "short", "32 characters"),
        (("dedup_key",), "x" * 256, "dedup_key"),
        (("event_action",), "snooze", "snooze"),
        (("payload", "summary"), "x" * 1025, "summary"),
        (("payload", "source"), "", "source"),
        (("payload", "severity"), "fatal", "severity"),
        (("payload", "timestamp"), "yesterday", "timestamp"),
        (("payload", "colour"), "red", "not documented"),
    ],
)
def test_pagerdutys_check_finds_what_pagerduty_would_refuse(path: tuple[Any, ...], value: object, words: str) -> None:
    event = PagerDuty({"routing_key": "k" * 32}).payload(samples.message())
    assert list(vendors.pagerduty(event, 1000)) == []
    assert words in str(list(vendors.pagerduty(changed(event, path, value), 1000)))
    assert "512 KB" in str(list(vendors.pagerduty(event, 512_001)))


def changed(payload: Any, path: tuple[Any, ...], value: object) -> Any:
    """The payload with another value at a place."""
    place = payload
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return payload
