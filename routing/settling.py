"""What the outcome of an attempt does to the delivery and to its sink. Pure, and the same for every kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from routing import backoff
from routing.models import Attempt, Delivery
from routing.sinks.base import Outcome, Sender, Verdict

HOUR = timedelta(hours=1)
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
    age: timedelta,
    failures: int,
    failing_since: datetime | None,
    now: datetime,
    seconds: float,
    roll: float,
) -> Settlement:
    """After one of so many `attempts` since the delivery was owed, or sent again, `age` ago; it took so many `seconds`.

    `failures` and `failing_since` are the sink's before it, `roll` is in [0, 1).
    """
    begun = {} if failing_since else {"failing_since": now}
    match outcome.verdict:
        case Verdict.SENT:
            return Settlement(
                Attempt.Outcome.SENT,
                {"state": Delivery.State.SENT, "settled_at": now, "error": outcome.error},
                {**HEALTHY, "warning": "", "last_error": "", "last_sent_at": now},
            )
        case Verdict.FAILED:
            # Who refuses a message can be reached. Where it refuses every one, somebody must know.
            refused = {"failures": 0, "open_until": None, "warning": outcome.error[:255], "last_error": outcome.error}
            return Settlement(Attempt.Outcome.FAILED, _given_up(outcome.error, now), {**refused, **begun})
        case Verdict.GONE:
            reason = f"{outcome.error}; mend the address and enable the sink again"[:255]
            return Settlement(
                Attempt.Outcome.RETRY,
                # The sink that is disabled holds it back.
                {"state": Delivery.State.QUEUED, "next_attempt_at": now, "error": outcome.error},
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
    longest = backoff.longest(sender.paging)
    if age >= longest:
        error = f"Given up after {longest // HOUR} hours. {outcome.error}".strip()
        return Settlement(Attempt.Outcome.FAILED, _given_up(error, now), troubled)
    # The slow tries of refused credentials must not use up what is meant for days.
    if outcome.verdict is Verdict.RETRY and attempts >= backoff.most_attempts(sender.paging):
        return Settlement(Attempt.Outcome.FAILED, _given_up(outcome.error, now), troubled)
    again = {"state": Delivery.State.QUEUED, "next_attempt_at": now + wait, "error": outcome.error}
    return Settlement(Attempt.Outcome.RETRY, again, troubled)


def _given_up(error: str, now: datetime) -> dict[str, Any]:
    return {"state": Delivery.State.FAILED, "settled_at": now, "error": error}
