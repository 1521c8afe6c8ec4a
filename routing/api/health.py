"""GET /healthz and GET /readyz, for whoever restarts the server or sends it traffic."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import Error, connection
from django.utils import timezone
from redis.exceptions import RedisError

from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.wire import Request, Send, answer_json
from routing.tasks import WORKER_SEEN

PATIENCE_SECONDS = 3.0
WORKER_FRESH = timedelta(seconds=15)
"""How long one sweep counts as a sign of life; there is one every second."""


class Health:
    """Both answer 200, or 503 with what is missing."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def healthz(self, request: Request, send: Send) -> None:
        """The process answers and reaches its database."""
        await self._say(send, ask_database)

    async def readyz(self, request: Request, send: Send) -> None:
        """Also a worker was seen lately, so that alerts are not only stored but told."""
        await self._say(send, ask_database, ask_worker)

    async def _say(self, send: Send, *questions: Callable[[], str | None]) -> None:
        for ask in questions:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    missing = await self._threads.run(ask)
            except TimeoutError:
                missing = "the database does not answer"
            if missing is not None:
                raise Problem(503, f"Not well: {missing}.", {"Retry-After": "1"})
        await answer_json(send, 200, {"status": "ok"})


def ask_database() -> str | None:
    """What is wrong with the database, or None."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "the database cannot be reached"
    return None


def ask_worker() -> str | None:
    """What is wrong with the workers, or None."""
    try:
        seen = cache.get(WORKER_SEEN)
    except (RedisError, OSError):
        return "the broker cannot be reached"
    if seen is None or timezone.now() - datetime.fromisoformat(seen) > WORKER_FRESH:
        return "no worker has been seen lately"
    return None
