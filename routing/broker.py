"""This process's connection to Redis for short commands; a queue's messages and the live stream have their own."""

from functools import lru_cache

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT = 1.0
"""Seconds a command may take to connect or to be answered."""


@lru_cache(maxsize=2)
def client(url: str) -> redis.Redis:
    """The process's client; its connections are shared by all threads."""
    # One repeat, at once: a kept connection may have been closed by a restart of the server.
    return redis.Redis.from_url(
        url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 1)
    )
