"""Whether so many alerts wait to be routed that no more are taken: senders that keep them then do so.

Counted off the way of the posts, every few seconds while there are any; they look at the last count.
"""

import asyncio
import time
from collections.abc import Callable

import structlog
from django.conf import settings

from routing import backlog
from routing.api.in_threads import Threads

log = structlog.get_logger(__name__)

COUNT_EVERY = 2.0
"""Seconds between two counts: how long too many may be taken after the limit is reached."""
SHARE = 0.05
"""Of the time at most is spent on counting: a long queue is counted less often."""
COME_BACK = 5
"""Seconds after which a sender is asked to try again."""


class Pressure:
    """The last count, for one event loop."""

    def __init__(
        self,
        threads: Threads,
        count: Callable[[int], int] = backlog.waiting,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = threads
        self._count = count
        self._clock = clock
        self._waiting = 0
        self._began = 0.0
        self._next_at = self._clock()
        self._counting: asyncio.Task[int] | None = None

    def is_high(self) -> bool:
        """Whether the backlog was over its limit when it was last counted; starts the next count when it is time."""
        most = settings.INGEST_MAX_BACKLOG
        if most <= 0:
            return False
        now = self._clock()
        if self._counting is None and now >= self._next_at:
            self._began = now
            self._counting = asyncio.ensure_future(self._threads.run(self._count, most + 1))
            self._counting.add_done_callback(self._counted)
        return self._waiting > most

    def _counted(self, counting: "asyncio.Task[int]") -> None:
        self._counting = None
        now = self._clock()
        self._next_at = max(self._began + COUNT_EVERY, now + (now - self._began) / SHARE)
        if counting.cancelled():
            return
        error = counting.exception()
        if error is None:
            self._waiting = counting.result()
        else:
            # Posts are not refused for what is not known; where the database is away, the writer tells them so.
            self._waiting = 0
            log.warning("backlog_not_counted", error=str(error))
