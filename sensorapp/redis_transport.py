"""Celery's way to Redis, with one mistake of kombu mended (seen in 5.7.0).

When a worker loses its broker while a task runs, it gives the connection up and then closes its channel, which wants to
put the task's message back and makes a new client for that. There is no address any more, so that ends with an
AttributeError, which nobody expects, and the worker dies. Here it ends as what it is: a lost connection.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError


class Channel(redis.Channel):
    """Says that its connection is lost where it was given up."""

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("this connection was given up")
        return super()._connparams(asynchronous=asynchronous)  # type: ignore[no-untyped-call]  # kombu has no types


class Transport(redis.Transport):
    """Kombu's, with the channel above."""

    Channel = Channel


def install() -> None:
    """From now on addresses of Redis, of its sockets too, are served by this."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{Transport.__module__}:{Transport.__qualname__}"
