"""Which path is served by what, and what lives as long as the server does."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import structlog

from routing.api import gate
from routing.api.pooled import Pooled
from routing.api.post_alerts import INGEST, PostAlerts
from routing.api.tokens import Senders
from routing.api.wire import App, Receive, Scope, Send
from routing.groupcommit import Writer
from routing.ingest import Intake

log = structlog.get_logger(__name__)

DJANGO_THREADS = 8
RAW_THREADS = 4
"""Threads for what the raw paths ask of the database."""


class Entry:
    """The ASGI application. `django` serves what no raw path does."""

    def __init__(self, django: App) -> None:
        self._django = Pooled(django, DJANGO_THREADS)
        executor = ThreadPoolExecutor(RAW_THREADS, "raw")
        self._intake = Intake()
        self._writer = Writer(self._intake.store, self._stored)
        senders = Senders(executor)
        self._post_alerts = PostAlerts(senders, self._writer, executor)
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self._start()
        path: str = scope["path"]
        if path == "/api/v1/alerts" and scope["method"] == "POST":
            await gate.through(self._post_alerts.api, scope, receive, send, methods=("POST",))
        elif path.startswith(INGEST):
            await gate.through(self._post_alerts.ingest, scope, receive, send, methods=("POST",))
        else:
            await self._django(scope, receive, send)

    def _start(self) -> None:
        """Starts the writer, at start-up or, under a server without lifespan, at the first request."""
        if not self._started:
            self._started = True
            self._writer.start()

    def _stored(self, now: datetime) -> None:
        self._intake.presence.write_seen(now)

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: what was accepted is stored before the process ends."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._writer.stop)
                await send({"type": "lifespan.shutdown.complete"})
                return
