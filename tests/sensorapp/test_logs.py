import io
import logging
import logging.config

import pytest
import structlog
from django.http import HttpRequest

from sensorapp import logs

TOKEN = "sa_0123456789abcdefghij"


@pytest.fixture
def lines():
    """What the JSON log prints."""
    stream = io.StringIO()
    config = logs.configure("json", "info")
    config["handlers"]["stderr"]["stream"] = stream
    before = logging.getLogger().handlers[:]
    logging.config.dictConfig(config)
    yield stream
    logging.getLogger().handlers[:] = before


def test_tokens_are_masked_in_a_lines_values(lines: io.StringIO) -> None:
    structlog.get_logger("test").warning("refused", header=f"Bearer {TOKEN}")
    assert TOKEN not in lines.getvalue()
    assert "Bearer sa_012***" in lines.getvalue()


def test_tokens_are_masked_in_other_libraries_lines(lines: io.StringIO) -> None:
    logging.getLogger("django").warning("POST /ingest/%s/", TOKEN)
    assert TOKEN not in lines.getvalue()
    assert "/ingest/sa_012***/" in lines.getvalue()


def test_tokens_are_masked_in_tracebacks(lines: io.StringIO) -> None:
    try:
        raise ValueError(TOKEN)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    assert "ValueError" in lines.getvalue()
    assert TOKEN not in lines.getvalue()


def test_tokens_are_masked_in_what_is_not_text(lines: io.StringIO) -> None:
    request = HttpRequest()
    request.method, request.path = "GET", f"/alerts/{TOKEN}"
    structlog.get_logger("test").warning("refused", request=request, given=[TOKEN], count=3)
    logging.getLogger("django.request").error("Internal Server Error", extra={"request": request})
    assert TOKEN not in lines.getvalue()
    assert '"count": 3' in lines.getvalue()
