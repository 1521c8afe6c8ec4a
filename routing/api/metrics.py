"""GET /metrics, for Prometheus: answered in time from what is known, whatever part of it cannot be read now."""

import asyncio
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.utils import timezone

from routing import metrics, patience, tallies
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.tokens import bearer
from routing.api.wire import Request, Send, answer
from routing.exposition import Sums, exposition
from routing.readings import PARTS, Reading

log = structlog.get_logger(__name__)

FRESH_SECONDS = 5.0
"""How long what was read is told again; several Prometheus servers ask no more than one."""
PATIENCE_SECONDS = 0.8
"""How long a scrape waits for what is being read; then it is answered with what is known."""
PART_SECONDS = 0.25
"""What a part's questions to the database may take, each."""
STALE_SECONDS = 60.0
"""A part that could not be read for so long is told no more."""
TALLIES = "tallies"
"""The part that is what all processes have counted."""
# A proxy on this machine speaks for somebody elsewhere.
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "x-forwarded-host")


@dataclass
class _Kept:
    """What is known of a part."""

    readings: list[Reading] = field(default_factory=list)
    read_at: float | None = None
    """On the monotonic clock; None where it never was."""
    seconds: float = 0.0
    up: bool = False


class Metrics:
    """The path, and what was read last; reading happens on a thread of its own, one scrape's at a time."""

    def __init__(self) -> None:
        self._threads = Threads(1, "metrics")
        self._parts = {name: _Kept() for name in (TALLIES, *PARTS)}
        self._sums: Sums = {}
        self._reading: asyncio.Future[None] | None = None
        self._read_at: float | None = None

    async def __call__(self, request: Request, send: Send) -> None:
        _insist(request)
        await self._read()
        readings = list(self._told(time.monotonic()))
        accept = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(exposition, self._sums, readings, accept)
        await answer(send, 200, body, content_type, {})

    def stop(self) -> None:
        self._threads.stop()

    async def _read(self) -> None:
        """Returns when everything was read, or when this scrape has waited long enough."""
        if self._reading is None:
            if self._read_at is not None and time.monotonic() - self._read_at < FRESH_SECONDS:
                return
            self._reading = asyncio.ensure_future(self._threads.run(self._read_all, timezone.now()))
            self._reading.add_done_callback(self._done)
        await asyncio.wait([self._reading], timeout=PATIENCE_SECONDS)

    def _done(self, reading: "asyncio.Future[None]") -> None:
        self._reading, self._read_at = None, time.monotonic()

    def _read_all(self, now: datetime) -> None:
        for name, kept in self._parts.items():
            began = time.monotonic()
            try:
                if name == TALLIES:
                    tallies.flush()
                    self._sums = tallies.read()
                else:
                    with patience.at_most(PART_SECONDS):
                        kept.readings = list(PARTS[name](now))
            except Exception as error:
                # Whatever is wrong with one part, the others are told.
                if kept.up or kept.read_at is None:
                    log.warning("metrics_part_not_read", part=name, kind=type(error).__name__, error=str(error))
                kept.up = False
            else:
                kept.read_at, kept.up = time.monotonic(), True
            kept.seconds = time.monotonic() - began

    def _told(self, now: float) -> Iterator[Reading]:
        for name, kept in self._parts.items():
            yield metrics.PART_UP, (name,), float(kept.up)
            yield metrics.PART_SECONDS, (name,), kept.seconds
            if kept.read_at is not None and now - kept.read_at < STALE_SECONDS:
                yield from kept.readings


def _insist(request: Request) -> None:
    """Raises Problem 401 for a wrong token, and 403 for a stranger where no token was set."""
    if settings.METRICS_TOKEN:
        given = bearer(request.headers.get("authorization", ""))
        if not hmac.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            problem = "The token of the setting METRICS_TOKEN is needed: Authorization: Bearer TOKEN."
            raise Problem(401, problem, {"WWW-Authenticate": "Bearer"})
    elif not _from_here(request):
        raise Problem(403, "Without the setting METRICS_TOKEN only the server's own machine may read this.")


def _from_here(request: Request) -> bool:
    """Whether this machine asks, and for itself."""
    client = request.scope.get("client")
    try:
        local = client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        local = False
    return local and not any(name in request.headers for name in FORWARDED)
