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

from routing.kinds import Secret, option
from routing.sinks import document, places
from routing.sinks.base import Message, Outcome, Templated, Verdict
from routing.sinks.http import HttpSender

MOST_BYTES = 256 * 1024
"""Of a body. Most receivers take this; the standard asks for 20 KB, which one alert with many fields can exceed."""
PREFIX = "whsec_"
# These are the message's own.
_FORBIDDEN = {"host", "content-length", "content-type", "transfer-encoding", "connection"}


def signing_key(secret: str) -> bytes:
    """The key in a `whsec_…` secret; any other text is its own key. Raises ValueError for one that is not base64."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"What follows {PREFIX} in the signing secret is not base64; enter it again") from None


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: version 1, HMAC-SHA256 over id, time and body joined with dots."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhook(HttpSender):
    """Posts every message as JSON."""

    kind = "webhook"
    label = "Webhook"
    takes = Templated(body=MOST_BYTES, format="json")
    sends_acknowledged = True
    digests = True

    @dataclass(frozen=True)
    class Config:
        url: Secret = option(
            "Where to post. Secret, for many receivers put a key into it.",
            label="URL",
            place=places.url,
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

        def __post_init__(self) -> None:
            signing_key(self.signing_secret)

    def send(self, message: Message) -> Outcome:
        try:
            headers = self._headers()
        except ValueError as error:
            return Outcome(Verdict.CREDENTIALS, str(error))
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
        """The document, of at most `MOST_BYTES`, or what the sink's template makes in its place."""
        return message.body.encode() if message.body else document.fitted(message, MOST_BYTES)
