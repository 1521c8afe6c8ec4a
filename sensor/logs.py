"""The sensor's own log: lines on stderr, for people or as JSON."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from sensor.config import Logs, Secret


def set_up(settings: Logs) -> None:
    """Configure structlog for this process; stdout stays free for alerts."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            star_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def star_secrets(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A secret given to a log call by mistake is written as stars."""
    for key, value in entry.items():
        if isinstance(value, Secret) or key in ("token", "authorization", "lease"):
            entry[key] = "***"
    return entry
