import json
from datetime import UTC, datetime

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.loki import MOST_LINE, Loki, nanoseconds, parsed
from sensor.alert import Priority
from tests.routing.sinks import samples


def test_every_alert_is_a_line_under_the_labels_of_its_priority_and_source() -> None:
    alerts = [samples.alert(), samples.alert(priority=Priority.ERROR), samples.alert(source="")]
    streams = Loki({"url": "http://x"}).payload(samples.message("firing", *alerts), {"job": "j"})["streams"]
    assert [stream["stream"] for stream in streams] == [
        {"job": "j", "priority": "warning", "source": "syscall"},
        {"job": "j", "priority": "error", "source": "syscall"},
        {"job": "j", "priority": "warning", "source": "unknown"},
    ]
    assert [len(stream["values"]) for stream in streams] == [1, 1, 1]


def test_a_line_says_nothing_that_differs_in_a_repeat() -> None:
    sender = Loki({"url": "http://x"})
    first = sender.payload(samples.message(), {})
    assert first == sender.payload(samples.message("firing", reason="again", route="other"), {})


def test_a_time_is_exact_and_a_string() -> None:
    assert nanoseconds(datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC)) == "1795435200123457000"


def test_no_line_is_longer_than_loki_takes() -> None:
    alert = samples.alert(output="😀" * 50_000, output_fields={f"f{n}": "\x01" * 9000 for n in range(50)})
    ((_, line),) = Loki({"url": "http://x"}).payload(samples.message("firing", alert), {})["streams"][0]["values"]
    assert len(line.encode()) <= MOST_LINE
    assert json.loads(line)["rule"] == alert.rule


@pytest.mark.parametrize("text", ["job", "job=", "=x", "a-b=c", "1a=b", "ok=1,no"])
def test_labels_that_are_none_are_said_to_be(text: str) -> None:
    outcome = Loki({"url": "http://127.0.0.1:9", "labels": text}).deliver(samples.message())
    assert outcome.verdict is Verdict.FAILED
    assert "is not a label" in outcome.error


def test_labels_are_read() -> None:
    assert parsed(" job=sensorapp , cluster = east, ") == {"job": "sensorapp", "cluster": "east"}


def test_without_tenant_and_user_neither_is_sent(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data("", 204)
    assert Loki({"url": httpserver.url_for("/")}).deliver(samples.message()).verdict is Verdict.SENT
    headers = httpserver.log[0][0].headers
    assert "X-Scope-OrgID" not in headers
    assert "Authorization" not in headers


def test_a_user_name_is_sent_and_its_encoded_form_masked(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data("dXNlcjpwYXNzd29yZA==", 400)
    sender = Loki({"url": httpserver.url_for("/"), "username": "user", "password": "password"})
    assert sender.deliver(samples.message()).response == "***"
    assert httpserver.log[0][0].headers["Authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


def test_an_alert_that_is_too_old_fails(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data("entry too far behind", 400)
    outcome = Loki({"url": httpserver.url_for("/")}).deliver(samples.message())
    assert (outcome.verdict, outcome.response) == (Verdict.FAILED, "entry too far behind")
