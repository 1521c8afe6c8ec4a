"""How fast a sink is sent to: a bucket of tokens that is kept as one moment on the sink's row.

The moment is when the next message may go (the "generic cell rate algorithm" of ATM networks, ITU-T I.371): before it
nothing is claimed, and every message that is sent moves it on. It is moved in the transaction that claims, so it holds
for all workers, outlives them, and needs no Redis.
"""

from datetime import datetime, timedelta

from django.db.models import F

from routing import sinks
from routing.models import Sink
from routing.sinks.base import Pace

FURTHEST = timedelta(minutes=2)
"""No limit holds a sink for longer, for the slowest is one message a minute. A moment beyond it was set while a clock
was wrong, and counts as none."""


def pace_of(sink: Sink) -> Pace | None:
    """The sink's own limit, else its kind's; None where there is none."""
    if sink.most_per_minute:
        return Pace(sink.most_per_minute, burst=max(1, sink.most_per_minute // 12))
    kind = sinks.kinds().get(sink.kind)
    return kind.pace if kind else None


def allowed(pace: Pace, free_at: datetime | None, now: datetime) -> int:
    """How many messages may go out now."""
    begin = _begin(pace, free_at, now)
    return 0 if begin > now else (now - begin) // _step(pace) + 1


def moved(pace: Pace, free_at: datetime | None, sent: int, now: datetime) -> datetime:
    """When the next message may go after `sent` of those that are allowed now."""
    return _begin(pace, free_at, now) + sent * _step(pace)


def take(sink: Sink, wanted: int, now: datetime) -> int:
    """Tokens for at most `wanted` messages; none also where another worker was faster. Call it in a transaction."""
    pace = pace_of(sink)
    if pace is None:
        return wanted
    taken = min(wanted, allowed(pace, sink.free_at, now))
    mine = Sink.objects.filter(pk=sink.pk, free_at=sink.free_at)
    return taken if taken and mine.update(free_at=moved(pace, sink.free_at, taken, now)) else 0


def put_back(sink: Sink, untaken: int) -> None:
    """Tokens of messages that were not tried."""
    pace = pace_of(sink)
    if pace is not None and untaken:
        Sink.objects.filter(pk=sink.pk).update(free_at=F("free_at") - untaken * _step(pace))


def _step(pace: Pace) -> timedelta:
    return timedelta(minutes=1) / pace.per_minute


def _begin(pace: Pace, free_at: datetime | None, now: datetime) -> datetime:
    """When the first message may or might have gone: tokens of a long pause are kept up to the burst."""
    full = now - (pace.burst - 1) * _step(pace)
    return full if free_at is None or free_at > now + FURTHEST else max(free_at, full)
