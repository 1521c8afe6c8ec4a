"""The sign of life that the sweep leaves behind: a worker took it, so beat, broker and worker all work."""

from datetime import datetime

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

KEY = "worker-seen"
FRESH_SECONDS = 15
"""How long one sign counts; the sweep runs every second."""


def beat(now: datetime) -> None:
    """Say that a worker is alive. A dead Redis is logged."""
    try:
        cache.set(KEY, now.timestamp(), timeout=FRESH_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("heartbeat_not_written", error=str(error))


def is_alive(now: datetime) -> bool:
    """Whether a worker gave a sign lately; False where Redis cannot be asked."""
    try:
        seen = cache.get(KEY)
    except (RedisError, OSError):
        return False
    return seen is not None and now.timestamp() - float(seen) < FRESH_SECONDS
