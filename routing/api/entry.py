"""Which path is served by what, and what lives as long as the server does."""

import asyncio

from django.db import connection

from routing.api import gate
from routing.api.closing import Closing
from routing.api.health import Health
from routing.api.in_threads import Threads
from routing.api.lease import Lease
from routing.api.metrics import Metrics
from routing.api.pooled import Pooled
from routing.api.post_alerts import INGEST, PostAlerts
from routing.api.ringer import Ringer, wake_router
from routing.api.stream import Stream
from routing.api.tokens import Senders
from routing.api.wire import App, Receive, Scope, Send
from routing.groupcommit import Writer
from routing.ingest import Intake

PAGE_THREADS = 8
RAW_THREADS = 4
# SQLite has one writer at a time anyway, and those that wait for it do not wait in turn.
WRITERS = {"postgresql": 3, "sqlite": 1}
POST = ("POST",)
GET = ("GET", "HEAD")


class Entry:
    """The ASGI application: raw paths for what carries load or waits long, `django` for everything else."""

    def __init__(self, django: App) -> None:
        self._pages = Threads(PAGE_THREADS, "pages")
        self._threads = threads = Threads(RAW_THREADS, "raw")
        senders = Senders(threads)
        self._closing = Closing()
        self._ringer = Ringer(wake_router)
        self._writer = Writer([Intake() for _ in range(WRITERS[connection.vendor])], self._ringer.ring)
        self._django = Pooled(django, self._pages)
        self._health = Health(threads, self._writer)
        self._metrics = Metrics()
        self._lease = Lease(senders, threads, self._closing)
        self._post_alerts = PostAlerts(senders, self._writer, threads)
        self._stream = Stream(threads, self._closing)
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        self._start()
        match scope["path"], scope["method"]:
            case "/api/v1/alerts", "POST":
                await gate.through(self._post_alerts.api, scope, receive, send, methods=POST)
            case path, _ if path.startswith(INGEST):
                await gate.through(self._post_alerts.ingest, scope, receive, send, methods=POST)
            case "/api/v1/actions/lease", _:
                await gate.through(self._lease, scope, receive, send, methods=POST)
            case "/stream", _:
                await gate.through(self._stream, scope, receive, send, methods=GET[:1])
            case "/healthz", _:
                await gate.through(self._health.healthz, scope, receive, send, methods=GET, any_host=True)
            case "/readyz", _:
                await gate.through(self._health.readyz, scope, receive, send, methods=GET, any_host=True)
            case "/metrics", _:
                await gate.through(self._metrics, scope, receive, send, methods=GET, any_host=True)
            case _:
                await self._django(scope, receive, send)

    def _start(self) -> None:
        """Starts the threads: at start-up or, under a server without lifespan, at the first request."""
        if not self._started:
            self._started = True
            self._writer.start()
            self._ringer.start()

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan: what was accepted is stored before the process ends."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._closing.watch()
                self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._closing.close()
                for part in (self._writer, self._ringer, self._metrics, self._threads, self._pages):
                    await asyncio.to_thread(part.stop)
                await send({"type": "lifespan.shutdown.complete"})
                return
