"""GET /healthz and GET /readyz, for whoever restarts the server or sends it traffic."""

import asyncio
from collections.abc import Callable

from django.db import Error, connection
from django.utils import timezone

from routing import signs
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.wire import Request, Send, answer_json
from routing.signs import FRESH, Part

PATIENCE_SECONDS = 3.0
SILENCE = {Part.BEAT: "beat has not been seen lately", Part.WORKER: "no worker has been seen lately"}


class Health:
    """Both answer 200, or 503 with what is missing."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def healthz(self, request: Request, send: Send) -> None:
        """The process answers and reaches its database."""
        await self._say(send, ask_database)

    async def readyz(self, request: Request, send: Send) -> None:
        """Also beat and a worker were seen lately, so that alerts are not only stored but told."""
        await self._say(send, ask_database, ask_workers)

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


def ask_workers() -> str | None:
    """What is wrong with beat or the workers, or None."""
    try:
        # Without beat no worker is asked to show itself, so beat's silence is the one to mend.
        silent = signs.silent(signs.heard(), SILENCE, timezone.now(), FRESH)
    except signs.Unreachable:
        return "the broker cannot be reached"
    return None if silent is None else SILENCE[silent]
