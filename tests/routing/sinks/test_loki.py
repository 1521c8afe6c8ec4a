import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from routing.sinks.base import Verdict
from routing.sinks.loki import MOST_LINE, Loki, nanoseconds, parsed
from sensor.alert import Priority
from tests.routing.sinks import samples


def test_every_alert_is_a_line_under_the_labels_of_its_priority_and_source() -> None:
    alerts = [samples.alert(), samples.alert(priority=Priority.ERROR), samples.alert(source="")]
    streams = Loki({"url": "http://x", "labels": "job=j"}).payload(alerts)["streams"]
    assert [stream["stream"] for stream in streams] == [
        {"job": "j", "priority": "warning", "source": "syscall"},
        {"job": "j", "priority": "error", "source": "syscall"},
        {"job": "j", "priority": "warning", "source": "unknown"},
    ]
    assert [len(stream["values"]) for stream in streams] == [1, 1, 1]


def test_a_line_says_nothing_that_differs_in_a_repeat(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data("", 204)
    sender = Loki({"url": httpserver.url_for("/")})
    for message in (samples.message(), samples.message("firing", reason="again", route="other")):
        sender.deliver(message)
    first, second = (request.get_data() for request, _ in httpserver.log)
    assert first == second


def test_a_time_is_exact_and_a_string() -> None:
    assert nanoseconds(datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC)) == "1795435200123457000"


def test_no_line_is_longer_than_loki_takes() -> None:
    alert = samples.alert(output="😀" * 50_000, output_fields={f"f{n}": "\x01" * 9000 for n in range(50)})
    ((_, line),) = Loki({"url": "http://x"}).payload([alert])["streams"][0]["values"]
    assert len(line.encode()) <= MOST_LINE
    assert json.loads(line)["rule"] == alert.rule


@pytest.mark.parametrize("text", ["job", "job=", "=x", "a-b=c", "1a=b", "ok=1,no"])
def test_labels_that_are_none_are_said_to_be(text: str) -> None:
    with pytest.raises(ValueError, match="is not a label"):
        Loki({"url": "http://127.0.0.1:9", "labels": text})


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


HOUR = timedelta(hours=1)
FAR_BEHIND = (
    "entry with timestamp 2026-11-23 12:00:00 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: "
    "2026-11-23T12:00:00Z, oldest acceptable timestamp is: {}',\nuser 'fake', total ignored: 1 out of 2"
)
TOO_OLD = "entry for stream '{{}}' has timestamp too old: 2026-11-23T12:00:00Z, oldest acceptable timestamp is: {}"


class Stream:
    """Takes entries as Loki does: not those that lie too far behind, and the others of the push all the same."""

    def __init__(self, oldest: datetime, words: str) -> None:
        self.oldest, self.words = oldest, words
        self.kept: list[tuple[int, Any]] = []

    def __call__(self, request: Request) -> Response:
        entries = [entry for stream in request.get_json()["streams"] for entry in stream["values"]]
        new = [(int(at), json.loads(line)) for at, line in entries if int(at) >= int(nanoseconds(self.oldest))]
        self.kept += new
        told = self.words.format(self.oldest.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return Response("", 204) if len(new) == len(entries) else Response(told, 400)


@pytest.mark.parametrize("words", [FAR_BEHIND, TOO_OLD, "entry out of order"])
def test_an_alert_that_is_far_behind_is_pushed_as_of_now(httpserver: HTTPServer, words: str) -> None:
    stream = Stream(samples.AT + HOUR, words)
    httpserver.expect_request("/loki/api/v1/push").respond_with_handler(stream)
    began = int(nanoseconds(datetime.now(UTC)))
    outcome = Loki({"url": httpserver.url_for("/")}).deliver(samples.message())
    assert (outcome.verdict, outcome.status) == (Verdict.SENT, 204)
    ((at, line),) = stream.kept
    assert began <= at <= int(nanoseconds(datetime.now(UTC)))
    assert line["time"] == samples.AT.isoformat()


def test_what_was_stored_of_a_push_is_not_pushed_again(httpserver: HTTPServer) -> None:
    stream = Stream(samples.AT + HOUR, FAR_BEHIND)
    httpserver.expect_request("/loki/api/v1/push").respond_with_handler(stream)
    alerts = [samples.alert(rule="late"), samples.alert(rule="in time", time=samples.AT + 2 * HOUR)]
    assert Loki({"url": httpserver.url_for("/")}).deliver(samples.message("firing", *alerts)).verdict is Verdict.SENT
    assert [line["rule"] for _, line in stream.kept] == ["in time", "late"]


def test_what_is_refused_as_of_now_too_is_not_pushed_for_ever(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data("entry too far behind", 400)
    assert Loki({"url": httpserver.url_for("/")}).deliver(samples.message()).verdict is Verdict.FAILED
    assert len(httpserver.log) == 2


@pytest.mark.parametrize(
    "words",
    [
        "error at least one label pair is required per stream",
        "entry for stream '{}' has 31 label names; limit 15",
        "stream '{}' has label name too long: 'x'",
        "error parsing labels: parse error",
    ],
)
def test_labels_that_loki_does_not_take_are_the_sinks_trouble(httpserver: HTTPServer, words: str) -> None:
    httpserver.expect_request("/loki/api/v1/push").respond_with_data(words, 400)
    outcome = Loki({"url": httpserver.url_for("/")}).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert words in outcome.error
