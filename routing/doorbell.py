"""Wake-ups over Redis: that something changed, never what. Losing a ring loses nothing, it only comes later.

`ring` is for threads and tasks; it never raises. `listen` is for event loops: all the listeners of a loop
share one subscription.
"""

import asyncio
import contextlib
from types import TracebackType
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
import structlog
from django.conf import settings
from redis.asyncio.client import PubSub

from routing import metrics
from routing.broker import TIMEOUT, client

log = structlog.get_logger(__name__)

TOPICS = frozenset({"alerts", "deliveries", "runs", "sensors"})
QUIET_SECONDS = 10.0
"""How long the subscription may be silent before it asks whether the server is still there."""
RECONNECT_SECONDS = (0.2, 1.0, 5.0)


def ring(*topics: str) -> None:
    """Tell every listener of these topics. A dead Redis is logged and counted."""
    try:
        with client(settings.REDIS_URL).pipeline(transaction=False) as pipeline:
            for topic in topics:
                pipeline.publish(_channels() + _known(topic), b"")
            pipeline.execute()
    except (redis.RedisError, OSError) as error:
        metrics.DOORBELL_FAILURES.add()
        log.warning("ring_failed", topics=topics, error=str(error))


def put_on(name: str, seconds: int) -> bool:
    """Whether nobody else has rung for this, and is not answered yet, within so many seconds."""
    try:
        return bool(client(settings.REDIS_URL).set(f"rung:{name}", b"", nx=True, ex=seconds))
    except (redis.RedisError, OSError):
        return True  # Whoever rings then will find out what is wrong.


def take_off(name: str) -> None:
    """Whoever rings for this from now on is heard anew."""
    try:
        client(settings.REDIS_URL).delete(f"rung:{name}")
    except (redis.RedisError, OSError) as error:
        log.warning("ring_not_taken_off", name=name, error=str(error))


def _channels() -> str:
    """What our channels' names begin with: Redis has the same channels in all of its databases, and ours is one."""
    return f"doorbell:{client(settings.REDIS_URL).get_connection_kwargs().get('db', 0)}:"


def _known(topic: str) -> str:
    if topic not in TOPICS:
        raise ValueError(f"{topic!r} is not a topic; use one of {', '.join(sorted(TOPICS))}")
    return topic


class Listener:
    """Hears some topics while entered; rings that come close together are heard as one.

    `async with listen("runs") as listener: topics = await listener.heard(seconds)`
    """

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._rung: set[str] = set()
        self._bell = asyncio.Event()

    def hear(self, topic: str) -> None:
        """Called by the subscription."""
        if topic in self.topics:
            self._rung.add(topic)
            self._bell.set()

    async def heard(self, seconds: float) -> set[str]:
        """The topics rung since the last call, as soon as there is one; none when the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        rung, self._rung = self._rung, set()
        self._bell.clear()
        return rung

    async def __aenter__(self) -> "Listener":
        await _subscription().join(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _subscription().leave(self)


def listen(*topics: str) -> Listener:
    """A listener for these topics, to be entered."""
    return Listener(frozenset(_known(topic) for topic in topics))


class _Subscription:
    """One connection to Redis for all the listeners of an event loop; it exists while somebody listens."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()

    async def join(self, listener: Listener) -> None:
        """Returns once rings are heard, or when that takes too long: they then come after a reconnect."""
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._stay_subscribed(), name="doorbell")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT):
                await self._up.wait()

    async def leave(self, listener: Listener) -> None:
        """The last one to leave ends the subscription."""
        self._listeners.discard(listener)
        if not self._listeners and (task := self._task) is not None:
            self._task = None
            self._up.clear()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stay_subscribed(self) -> None:
        tries = 0
        while True:
            try:
                async with (
                    redis.asyncio.Redis.from_url(
                        settings.REDIS_URL, socket_connect_timeout=TIMEOUT, health_check_interval=QUIET_SECONDS
                    ) as connection,
                    connection.pubsub() as pubsub,
                ):
                    await pubsub.subscribe(*(_channels() + topic for topic in TOPICS))
                    if tries:
                        self._ring_everything()  # Something may have been missed.
                    tries = 0
                    self._up.set()
                    await self._pass_on(pubsub)
            except (redis.RedisError, OSError) as error:
                metrics.DOORBELL_FAILURES.add()
                self._up.clear()
                if tries == 0:
                    log.warning("subscription_ended", error=str(error))
                await asyncio.sleep(RECONNECT_SECONDS[min(tries, len(RECONNECT_SECONDS) - 1)])
                tries += 1

    async def _pass_on(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=QUIET_SECONDS)
            if message is not None:
                topic = message["channel"].decode().rpartition(":")[2]
                for listener in self._listeners:
                    listener.hear(topic)

    def _ring_everything(self) -> None:
        for listener in self._listeners:
            for topic in TOPICS:
                listener.hear(topic)


_subscriptions: "WeakKeyDictionary[asyncio.AbstractEventLoop, _Subscription]" = WeakKeyDictionary()


def _subscription() -> _Subscription:
    return _subscriptions.setdefault(asyncio.get_running_loop(), _Subscription())
