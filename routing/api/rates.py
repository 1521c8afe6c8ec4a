"""How many alerts each token may post: one that runs wild must not take the server from the others.

A bucket a token, in the memory of each process, so that the limit holds in each. How many alerts a post holds is known
only when it was read: it is taken whole, and what it took too much keeps its token waiting. So no post is too large
for its token, and over time no token gets more than its rate.
"""

import time
from collections.abc import Callable

from django.conf import settings


class Rates:
    """Buckets of `INGEST_BURST` alerts that fill by `INGEST_RATE` a second; a rate of 0 is no limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[int, tuple[float, float]] = {}
        """By token id, of tokens that are valid: what it may still post, and when that was reckoned."""

    def enter(self, token: int) -> float:
        """Seconds until this token may post; 0 where it may now, and then the post itself counts as one alert."""
        rate: int = settings.INGEST_RATE
        if rate <= 0:
            return 0.0
        now = self._clock()
        left = self._left(token, rate, now)
        if left < 1.0:
            return (1.0 - left) / rate
        self._buckets[token] = (left - 1.0, now)
        return 0.0

    def spend(self, token: int, alerts: int) -> None:
        """The post held so many alerts beside the first."""
        rate: int = settings.INGEST_RATE
        if alerts > 0 and rate > 0:
            now = self._clock()
            self._buckets[token] = (self._left(token, rate, now) - alerts, now)

    def _left(self, token: int, rate: int, now: float) -> float:
        most = float(max(1, settings.INGEST_BURST))
        left, at = self._buckets.get(token, (most, now))
        return min(most, left + (now - at) * rate)
