"""GET /healthz and GET /readyz: for whoever starts this process again, and for whoever sends it traffic.

What a new start cannot mend is no matter of the first: while the database is away, a process that goes on answers 503
and is there again with it.
"""

import asyncio

from django.db import Error, connection
from django.utils import timezone

from routing import signs
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.wire import Request, Send, answer_json
from routing.groupcommit import Writer
from routing.signs import FRESH, Part

PATIENCE_SECONDS = 3.0
SILENCE = {Part.BEAT: "beat has not been seen lately", Part.WORKER: "no worker has been seen lately"}


class Health:
    """Both answer 200, or 503 with what is missing."""

    def __init__(self, threads: Threads, writer: Writer) -> None:
        self._threads = threads
        self._writer = writer

    async def healthz(self, request: Request, send: Send) -> None:
        """The process itself: its event loop answers, and what stores alerts lives."""
        _insist(None if self._writer.well else "a thread that stores alerts has ended")
        await answer_json(send, 200, {"status": "ok"})

    async def readyz(self, request: Request, send: Send) -> None:
        """It reaches its database, and beat and a worker were seen lately: alerts are stored and told."""
        for ask in (ask_database, ask_workers):
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    _insist(await self._threads.run(ask))
            except TimeoutError:
                _insist("the database does not answer")
        await answer_json(send, 200, {"status": "ok"})


def _insist(missing: str | None) -> None:
    if missing is not None:
        raise Problem(503, f"Not well: {missing}.", {"Retry-After": "1"})


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
