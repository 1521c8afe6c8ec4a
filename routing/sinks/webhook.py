"""Webhook: JSON to any receiver, signed as Standard Webhooks 1.0 has it (standardwebhooks.com).

The body is described in docs/sinks.md and does not change without a new `type`. `webhook-id` stays the same over all
attempts of a delivery; a receiver that keeps the ids it has seen gets every message exactly once.
"""

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import Any

from routing.kinds import Secret, option
from routing.sinks import wording
from routing.sinks.base import AlertFacts, Message, Outcome, Verdict
from routing.sinks.http import HttpSender, encode

MOST_BYTES = 256 * 1024
"""Of a body. Most receivers take this; the standard asks for 20 KB, which one alert with many fields can exceed."""
MOST_VALUE = 8192
PREFIX = "whsec_"
# These are the message's own.
_FORBIDDEN = {"host", "content-length", "content-type", "transfer-encoding", "connection"}


def signing_key(secret: str) -> bytes:
    """The key in a `whsec_…` secret; any other text is its own key."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: version 1, HMAC-SHA256 over id, time and body joined with dots."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhook(HttpSender):
    """Posts every message as JSON."""

    kind = "webhook"
    label = "Webhook"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        url: Secret = option(
            "Where to post. Secret, for many receivers put a key into it.",
            label="URL",
            placeholder="https://example.com/hooks/alerts",
        )
        signing_secret: Secret = option(
            "Signs every request, so that the receiver can tell who sent it. whsec_ and base64, or any text.",
            label="Signing secret",
            default=Secret(""),
            placeholder="whsec_…",
        )
        headers: Secret = option(
            "Further headers, one in a line. Secret, for they often carry a token.",
            label="Headers",
            default=Secret(""),
            multiline=True,
            placeholder="Authorization: Bearer …",
        )
        method: str = option("How to send it.", label="Method", default="POST", choices=("POST", "PUT"))

    def send(self, message: Message) -> Outcome:
        try:
            headers = self._headers()
        except ValueError as error:
            return Outcome(Verdict.FAILED, str(error))
        body = self.body(message)
        timestamp = int(time.time())
        headers |= {"webhook-id": str(message.delivery), "webhook-timestamp": str(timestamp)}
        if self.config.signing_secret:
            key = signing_key(self.config.signing_secret)
            headers["webhook-signature"] = signature(key, str(message.delivery), timestamp, body)
        return self.post(str(self.config.url), body, headers=headers, method=self.config.method)

    def secrets(self) -> list[str]:
        values = [line.partition(":")[2].strip() for line in self.config.headers.splitlines()]
        return [*super().secrets(), *values, *(value.rpartition(" ")[2] for value in values)]

    def _headers(self) -> dict[str, str]:
        headers = {}
        for number, line in enumerate(self.config.headers.splitlines(), 1):
            name, colon, value = line.partition(":")
            if not line.strip():
                continue
            if not colon or not name.strip().replace("-", "").isalnum() or name.strip().lower() in _FORBIDDEN:
                raise ValueError(f"Line {number} of the headers is not a header that can be set; write Name: value")
            headers[name.strip()] = value.strip()
        return headers

    def body(self, message: Message) -> bytes:
        """The bytes that are sent and signed. What makes them too many is left out, the oldest alerts first."""
        alerts = [_alert(alert) for alert in message.alerts]
        while True:
            body = encode(self._document(message, alerts))
            if len(body) <= MOST_BYTES:
                return body
            if len(alerts) > 1:
                del alerts[: max(1, len(alerts) // 2)]
            else:
                fields = alerts[0]["output_fields"]
                largest = max(fields, key=lambda name: len(encode(fields[name])), default=None)
                if largest is None:
                    return body
                del fields[largest]

    def _document(self, message: Message, alerts: list[dict[str, Any]]) -> dict[str, Any]:
        group = message.group
        return {
            "type": f"alerts.{message.event}",
            "timestamp": message.created_at.isoformat(),
            "data": {
                "delivery": str(message.delivery),
                "reason": message.reason,
                "route": message.route,
                "group": {
                    "key": hashlib.sha256(group.key.encode()).hexdigest(),
                    "title": group.title,
                    "priority": group.priority.label,
                    "labels": dict(group.labels),
                    "count": group.count,
                    "first_seen_at": group.first_seen_at.isoformat(),
                    "last_seen_at": group.last_seen_at.isoformat(),
                    "url": group.url,
                },
                "alert_count": message.alert_count,
                "alerts": alerts,
            },
        }


def _alert(alert: AlertFacts) -> dict[str, Any]:
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
