"""One log line per fact, as text for a person or as JSON for a machine, with tokens masked wherever they appear."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Our tokens, wherever somebody put one: in a URL, a header, an error text.
TOKEN = re.compile(r"\bsa_[A-Za-z0-9_-]{8,}")


def masked(text: str) -> str:
    """The text with every token replaced by its hint and stars."""
    return TOKEN.sub(lambda found: found.group()[:6] + "***", text)


def mask_tokens(logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog processor: no token leaves in a log line."""
    for key, value in line.items():
        # What is not text becomes text when it is printed: a request, for one, then shows its address.
        if isinstance(value, str) or (not key.startswith("_") and TOKEN.search(repr(value))):
            line[key] = masked(str(value) if isinstance(value, str) else repr(value))
    return line


def configure(style: str, level: str) -> dict[str, Any]:
    """Sets up structlog and returns the `LOGGING` setting; `style` is `console` or `json`, `level` a level's name."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_tokens,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:2],
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [*shared[3:], structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": logging.getLevelName(level.upper())},
        "loggers": {
            # Every handled 4xx would be a line; the access log of the server has them.
            "django.request": {"level": "ERROR"},
            "axes": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }
