"""Signs of life: when beat, a worker and the auditor were last heard. Kept in the cache, where every process looks."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

FRESH = timedelta(seconds=15)
"""How long a sign counts where somebody waits for the product to be ready; beat and worker leave one every second."""
SILENT = timedelta(seconds=60)
"""After this long without a sign people are told."""
KEPT_SECONDS = 86_400


class Part(StrEnum):
    """Who leaves signs."""

    BEAT = "beat"
    """Sends the sweep; says so itself, so that it is known to live where no worker does."""
    WORKER = "worker"
    """Took the sweep."""
    SWEEP = "sweep"
    """A sweep of which every step succeeded."""
    AUDITOR = "auditor"


class Unreachable(Exception):
    """Redis does not answer, so nobody's signs are known."""


def leave(part: Part, now: datetime) -> None:
    """Say that a part lives. Where Redis does not take it, its silence says enough."""
    try:
        cache.set(_key(part), now.isoformat(), KEPT_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("sign_not_left", part=part, error=str(error))


def heard() -> dict[Part, datetime]:
    """When each part was last heard; one that never was is not in it. Raises Unreachable."""
    try:
        found = cache.get_many([_key(part) for part in Part])
    except (RedisError, OSError) as error:
        raise Unreachable(str(error)) from error
    return {part: datetime.fromisoformat(found[_key(part)]) for part in Part if _key(part) in found}


def silent(
    times: Mapping[Part, datetime], parts: Iterable[Part], now: datetime, after: timedelta = SILENT
) -> Part | None:
    """The first of these parts that was not heard for so long; `times` are those that were `heard`."""
    return next((part for part in parts if part not in times or now - times[part] > after), None)


def _key(part: Part) -> str:
    return f"sign:{part}"
