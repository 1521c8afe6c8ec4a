"""What the outcome of an attempt does to the delivery and to its sink. Pure, and the same for every kind."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from routing import backoff
from routing.models import Attempt, Delivery
from routing.sinks.base import Outcome, Sender, Verdict

HEALTHY: dict[str, Any] = {"failures": 0, "failing_since": None, "open_until": None}
"""Of a sink that works, or that somebody mended."""


@dataclass(frozen=True)
class Settlement:
    """Values to write: to the delivery, to its sink, and the attempt's outcome."""

    attempt: Attempt.Outcome
    delivery: dict[str, Any]
    sink: dict[str, Any]


def settle(
    outcome: Outcome,
    sender: type[Sender],
    *,
    may_repeat: bool,
    attempts: int,
    failures: int,
    now: datetime,
    seconds: float,
    roll: float,
) -> Settlement:
    """After the delivery's attempt number `attempts`, which took so many `seconds`.

    `failures` is the sink's count before it, `roll` in [0, 1).
    """
    begun = {} if failures else {"failing_since": now}
    match outcome.verdict:
        case Verdict.SENT:
            return Settlement(
                Attempt.Outcome.SENT,
                {"state": Delivery.State.SENT, "settled_at": now, "error": outcome.error},
                {**HEALTHY, "warning": "", "last_error": "", "last_sent_at": now},
            )
        case Verdict.FAILED:
            return Settlement(Attempt.Outcome.FAILED, _given_up(outcome, now), {"last_error": outcome.error})
        case Verdict.GONE:
            reason = f"{outcome.error}; mend the address and enable the sink again"[:255]
            return Settlement(
                Attempt.Outcome.FAILED,
                _given_up(outcome, now),
                {"enabled": False, "disabled_reason": reason, "last_error": outcome.error, **begun},
            )
    troubled: dict[str, Any] = {"failures": failures + 1, "last_error": outcome.error, **begun}
    pause = backoff.breaker_pause(failures + 1, seconds)
    if pause is not None:
        troubled["open_until"] = now + pause
    if outcome.arrived and not may_repeat:
        unknown = {"state": Delivery.State.UNKNOWN, "settled_at": now, "error": outcome.error}
        return Settlement(Attempt.Outcome.UNKNOWN, unknown, troubled)
    if outcome.verdict is Verdict.CREDENTIALS:
        wait = backoff.after_refused_credentials(roll)
        # The next message would be refused as well; one try an hour is enough for all of them.
        troubled |= {"warning": outcome.error[:255], "open_until": now + wait}
    else:
        wait = backoff.after_trouble(attempts, sender.paging, outcome.retry_after, roll)
        if outcome.retry_after is not None:
            troubled["open_until"] = now + wait
    if attempts >= backoff.most_attempts(sender.paging):
        return Settlement(Attempt.Outcome.FAILED, _given_up(outcome, now), troubled)
    again = {"state": Delivery.State.QUEUED, "next_attempt_at": now + wait, "error": outcome.error}
    return Settlement(Attempt.Outcome.RETRY, again, troubled)


def _given_up(outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {"state": Delivery.State.FAILED, "settled_at": now, "error": outcome.error}
