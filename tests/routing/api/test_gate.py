from datetime import datetime

import pytest
from django.db import InterfaceError, OperationalError
from structlog.testing import capture_logs

from routing.api import tokens
from routing.api.gate import masked_path
from tests import build
from tests.asgi import Client


def test_another_host_is_refused_but_probes_may_call_by_address(server: Client):
    assert server.request("POST", "/api/v1/alerts", b"{}", host="evil.example").status == 400
    assert server.request("GET", "/healthz", host="10.1.2.3:8000").status == 200


def test_every_raw_answer_carries_the_security_headers_and_an_id(server: Client):
    for answer in (server.get("/healthz"), server.post("/api/v1/alerts", b"{}"), server.get("/stream")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert len(answer.headers["x-request-id"]) == 16


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("é", False)])
def test_a_callers_request_id_is_kept_if_it_is_harmless(server: Client, given: str, kept: bool):
    answer = server.request("GET", "/healthz", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_machines_are_told_to_come_back(
    server: Client, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
):
    def away(token: str, now: datetime) -> None:
        raise error("the connection was closed")

    monkeypatch.setattr(tokens, "find", away)
    for path in ("/api/v1/alerts", "/api/v1/sensors/hello"):
        answer = server.post(path, build.posted(), "sa_test")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "try again" in answer.json()["detail"]


def test_a_token_in_the_url_reaches_no_log_line(server: Client):
    with capture_logs() as lines:
        assert server.post("/ingest/sa_secret_of_a_sensor/", build.posted()).status == 401
    assert lines
    assert "secret" not in repr(lines)


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/ingest/sa_abc/", "/ingest/***/"),
        ("/ingest/any/thing", "/ingest/***/"),
        ("/ingest/", "/ingest/"),
        ("/x", "/x"),
    ],
)
def test_the_path_is_masked_after_ingest(path: str, masked: str):
    assert masked_path(path) == masked
