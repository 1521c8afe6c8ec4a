"""What every sink that speaks HTTP shares: one post, and what its answer means."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from routing import outbound
from routing.outbound import AddressRefused, Answer, OutboundError
from routing.sinks.base import Outcome, Sender, Verdict

LONGEST_WAIT = 24 * 3600.0
"""Seconds; a receiver that asks for more is asked again after this."""


def verdict(status: int) -> tuple[Verdict, str]:
    """What a status code means, and the sentence for it."""
    if 200 <= status < 300:
        return Verdict.SENT, ""
    if status in (401, 403):
        return Verdict.CREDENTIALS, f"The receiver refuses the credentials ({status}); check the secret and its rights"
    if status in (404, 410):
        return Verdict.GONE, f"The receiver says there is nothing at this address ({status})"
    if status == 429:
        return Verdict.RETRY, "The receiver asks to slow down (429)"
    if status in (408, 425) or status >= 500:
        return Verdict.RETRY, f"The receiver has trouble ({status})"
    if 300 <= status < 400:
        return Verdict.CREDENTIALS, f"The receiver redirects ({status}), which is not followed; enter the final address"
    if status == 405:
        return Verdict.CREDENTIALS, "The receiver takes no such requests at this address (405); check the address"
    return Verdict.FAILED, f"The receiver does not accept the message ({status})"


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait as `Retry-After` has it, number or date (RFC 9110 section 10.2.3); None where it says nothing."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()
    # NaN and negative values are no waiting times.
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None


def encode(payload: Any) -> bytes:
    """A payload as JSON, numbers over 64 bits included, which the fast encoder refuses."""
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError:
        return json.dumps(payload, default=str).encode()


class HttpSender(Sender):
    """A sink that posts to a URL. A kind makes the payload, and overrides `judge` only where its service differs."""

    def post(
        self, url: str, payload: Any, *, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> Outcome:
        """Send a payload (bytes as they are, anything else as JSON) and judge the answer."""
        body = payload if isinstance(payload, bytes) else encode(payload)
        sent = body.decode("utf-8", "replace")
        try:
            answer = outbound.request(
                method, url, body=body, headers={"Content-Type": "application/json", **(headers or {})}
            )
        except AddressRefused as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=sent)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), arrived=error.arrived, request=sent)
        found, error_text = self.judge(answer)
        return Outcome(
            found,
            error_text,
            status=answer.status,
            retry_after=retry_after(answer.headers, datetime.now(UTC)) if found is Verdict.RETRY else None,
            request=sent,
            response=answer.text,
        )

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """The answer's meaning; services that put it elsewhere than in the status override this."""
        return verdict(answer.status)
