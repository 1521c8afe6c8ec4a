import pytest
import structlog
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from routing.api import health
from routing.api.request_ids import request_id
from routing.views import sign_in
from tests.asgi import Client


@pytest.mark.parametrize("given", ["abc-1.2_3", "x" * 64])
def test_a_harmless_id_is_kept(given: str) -> None:
    assert request_id(given) == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é", "a\n"])
def test_any_other_is_replaced_by_a_new_one(given: str) -> None:
    assert len({request_id(given), request_id(given), given}) == 3


@pytest.mark.parametrize("path", ["/readyz", "/sign-in/"])
def test_the_answer_and_every_log_line_bear_the_requests_id(
    path: str, server: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are written in a thread, by a raw path and by a page."""

    def saying(function):
        def say(*args, **kwargs):
            structlog.get_logger("test").info("asked")
            return function(*args, **kwargs)

        return say

    monkeypatch.setattr(health, "ask_database", saying(health.ask_database))
    monkeypatch.setattr(health, "ask_workers", lambda: None)
    monkeypatch.setattr(sign_in.SignIn, "get", saying(sign_in.SignIn.get))
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = server.get(path, **{"x-request-id": "mine-7"})
    assert (answer.status, answer.headers["x-request-id"]) == (200, "mine-7")
    assert [line["request_id"] for line in lines if line["event"] == "asked"] == ["mine-7"]
    assert len(server.get(path).headers["x-request-id"]) == 16
