"""Figures over so many rows that they cost more than looking at them again and again is worth."""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache import cache

log = structlog.get_logger(__name__)

SHARE = 0.05
"""Of one connection's time, that a figure may cost however often it is asked for."""
CHEAP = 0.05
"""Seconds; what costs less is always asked for anew."""
LONGEST = 300.0
"""Seconds that a figure may be old."""


def remembered(name: str, work_out: Callable[[], Any]) -> Any:
    """What `work_out` gives, or gave a while ago: the dearer it was, the longer it is kept. It must be picklable."""
    try:
        kept = cache.get(name)
    except redis.RedisError as error:
        log.warning("cache_unreachable", error=str(error))
        kept = None
    if kept is not None:
        return kept
    began = time.monotonic()
    found = work_out()
    cost = time.monotonic() - began
    if cost > CHEAP:
        try:
            cache.set(name, found, min(LONGEST, cost / SHARE))
        except redis.RedisError as error:
            log.warning("cache_unreachable", error=str(error))
    return found
