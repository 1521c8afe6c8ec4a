"""Many posts, one transaction: posts that arrive close together are stored together.

A commit costs the same for one alert as for a thousand, so a few threads, each with a database connection of its own,
commit whatever has come in: while one waits for the disk the next one gathers. Each post is answered after its own
commit. The queue is bounded: over it a post is refused at once, and its sender keeps the alerts and comes back.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import structlog
from django.db import InterfaceError, OperationalError, connection

from routing import metrics, tracing
from routing.admission import Row
from routing.ingest import Outcome

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.005
GATHER_ALERTS = 1_000
QUEUE_ALERTS = 20_000
"""Alerts that may wait; one post of the largest size always fits into an empty queue."""


class Store(Protocol):
    """Where alerts are kept; belongs to one thread."""

    def store(self, rows: Sequence[Row], now: datetime) -> list[Outcome]:
        """Keeps them, or raises, and then nobody may be told that they are kept."""

    def after_commit(self, now: datetime) -> None:
        """Called once the senders were told."""


class Full(Exception):
    """Too much is waiting; try again in a second."""


class Unavailable(Exception):
    """The alerts could not be stored now; nothing is known to be kept."""


class Post(msgspec.Struct, gc=False):
    """The alerts of one request, and whom to tell."""

    rows: Sequence[Row]
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[list[Outcome]]"
    arrived: float


class Writer:
    """The threads that store, one for each of `stores`. `ring` is told after each commit how many alerts it had."""

    def __init__(self, stores: Sequence[Store], ring: Callable[[int], object]) -> None:
        self._ring = ring
        self._posts: deque[Post] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._gathering = threading.Lock()
        """Held by the thread whose turn it is to gather; the others commit, or wait for their turn."""
        self._idle = False
        """That thread waits for a first post; while it gathers it looks at the clock, not for each post."""
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, args=(store,), name="alert writer", daemon=True) for store in stores
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """Stores what is waiting, then ends; posts that come later are refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def waiting(self) -> int:
        """Alerts not yet stored."""
        return self._waiting

    @property
    def well(self) -> bool:
        """Whether every thread lives that should: nothing starts one again that has ended."""
        return self._stopping or all(thread.is_alive() for thread in self._threads)

    async def store(self, rows: Sequence[Row]) -> list[Outcome]:
        """The outcome of each alert, after the commit. Raises Full or Unavailable."""
        loop = asyncio.get_running_loop()
        post = Post(rows, loop, loop.create_future(), time.monotonic())
        with self._changed:
            if self._stopping:
                raise Unavailable("the server is stopping")
            if self._waiting and self._waiting + len(rows) > QUEUE_ALERTS:
                raise Full
            self._waiting += len(rows)
            self._posts.append(post)
            if self._idle or self._waiting >= GATHER_ALERTS:
                self._changed.notify()
        return await post.answer

    def _run(self, store: Store) -> None:
        while group := self._gather():
            self._commit(store, group)
        connection.close()

    def _gather(self) -> list[Post]:
        """The next group: what has come within a few milliseconds of its first post; empty at the end."""
        with self._gathering, self._changed:
            while not self._posts:
                if self._stopping:
                    return []
                self._idle = True
                self._changed.wait()
            self._idle = False
            until = self._posts[0].arrived + GATHER_SECONDS
            while self._waiting < GATHER_ALERTS and not self._stopping and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            group = [self._posts.popleft()]
            size = len(group[0].rows)
            while self._posts and size + len(self._posts[0].rows) <= GATHER_ALERTS:
                group.append(self._posts.popleft())
                size += len(group[-1].rows)
            self._waiting -= size
            return group

    def _commit(self, store: Store, group: Sequence[Post]) -> None:
        """Store, tell, follow up. Whatever goes wrong, nobody is told "stored", and the next group gets its turn."""
        now = datetime.now(UTC)
        rows = [row for post in group for row in post.rows]
        try:
            began = time.monotonic()
            with tracing.span("ingest.commit", alerts=len(rows), posts=len(group)):
                outcomes = _stored(store, rows, now)
            metrics.COMMIT.add(time.monotonic() - began)
        except Exception as error:
            metrics.COMMIT_FAILURES.add()
            log.error("alerts_not_stored", alerts=len(rows), posts=len(group), error=str(error))
            connection.close()
            self._tell(group, None)
            return
        self._tell(group, outcomes)
        try:
            self._ring(len(rows))
            store.after_commit(now)
        except Exception as error:
            log.error("after_commit_failed", error=str(error))

    def _tell(self, group: Sequence[Post], outcomes: list[Outcome] | None) -> None:
        """One wake-up for each event loop, however many posts it waits for."""
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[list[Outcome]], list[Outcome] | None]]] = {}
        start = 0
        for post in group:
            end = start + len(post.rows)
            answers.setdefault(post.loop, []).append((post.answer, None if outcomes is None else outcomes[start:end]))
            start = end
        for loop, told in answers.items():
            try:
                loop.call_soon_threadsafe(_settle, told)
            except RuntimeError:
                log.warning("answers_not_told", posts=len(told), error="their event loop has ended")


def _stored(store: Store, rows: Sequence[Row], now: datetime) -> list[Outcome]:
    """Twice where the connection is lost: it may be one that was kept while the database was started again."""
    try:
        return store.store(rows, now)
    except (OperationalError, InterfaceError):
        connection.close()
    return store.store(rows, now)


def _settle(told: "list[tuple[asyncio.Future[list[Outcome]], list[Outcome] | None]]") -> None:
    for answer, outcomes in told:
        if answer.done():  # The client has gone.
            continue
        if outcomes is None:
            answer.set_exception(Unavailable("the database did not take the alerts"))
        else:
            answer.set_result(outcomes)
