from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from routing import deadman


def test_without_a_url_nobody_is_asked() -> None:
    assert deadman.ping() is None


def test_the_url_is_asked_once(settings: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/secret", method="GET").respond_with_data("OK")
    settings.DEADMAN_URL = httpserver.url_for("/secret")
    assert deadman.ping() is True
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("reached", [True, False])
def test_a_ping_that_fails_is_logged_without_its_secret(
    reached: bool, settings: Any, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request("/secret").respond_with_data("", status=404)
    settings.DEADMAN_URL = httpserver.url_for("/secret") if reached else "http://127.0.0.1:1/secret"
    assert deadman.ping() is False
    (line,) = [record.getMessage() for record in caplog.records if record.name == "routing.deadman"]
    assert "deadman_not_pinged" in line
    assert "secret" not in line
