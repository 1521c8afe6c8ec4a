"""GET /healthz and GET /readyz, for whoever restarts the server or sends it traffic."""

import asyncio
from collections.abc import Callable

from django.db import Error, connection
from django.utils import timezone

from routing import heartbeat
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.wire import Request, Send, answer_json

PATIENCE_SECONDS = 3.0


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
    return None if heartbeat.is_alive(timezone.now()) else "no worker has been seen lately"
