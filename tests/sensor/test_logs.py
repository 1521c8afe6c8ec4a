"""The sensor's own log."""

import json

import pytest
import structlog

from sensor.config import Logs, Secret
from sensor.logs import set_up


def test_lines_go_to_stderr_and_stdout_stays_free(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Logs(format="json"))
    structlog.get_logger().warning("hello_failed", error="refused")
    written = capsys.readouterr()
    assert written.out == ""
    line = json.loads(written.err)
    assert (line["event"], line["level"], line["error"]) == ("hello_failed", "warning", "refused")


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_secret_given_by_mistake_is_written_as_stars(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Logs(format=style))
    structlog.get_logger().warning("oops", secret=Secret("sa_hunter2"), token="sa_hunter2", lease="sa_hunter2")
    assert "hunter2" not in capsys.readouterr().err


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    set_up(Logs(level="error"))
    structlog.get_logger().info("small")
    assert capsys.readouterr().err == ""
