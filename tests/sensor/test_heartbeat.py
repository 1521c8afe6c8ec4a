"""Hello, and what follows from its answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Semaphore, Thread

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sensor.config import Secret, Server
from sensor.heartbeat import Heartbeat, ServerClock
from sensor.rulefeed import RuleFeed
from sensor.rules.ruleset import RuleSet
from sensor.transport import Client, Unreachable

RULE = """
- rule: mine
  desc: A test.
  condition: evt.type = openat
  output: opened
  priority: WARNING
"""


class Line:
    """A heartbeat and what it caused."""

    def __init__(self, url: str, saved: Path) -> None:
        self.swapped: list[RuleSet] = []
        self.refused: list[str] = []
        self.reached: list[bool] = []
        self.clock = ServerClock()
        self.stop = Event()
        self.feed = RuleFeed(("pull",), saved)
        self.heartbeat = Heartbeat(
            Client(Server(url=url, token=Secret("sa_test"))),
            self.feed,
            self.clock,
            self.stop,
            lambda: {"hostname": "node-1"},
            self.swapped.append,
            self.refused.append,
            lambda: self.reached.append(True),
        )


@pytest.fixture
def line(httpserver: HTTPServer, tmp_path: Path) -> Line:
    return Line(httpserver.url_for("/"), tmp_path / "ruleset.json")


def greeted(httpserver: HTTPServer, **answer: object) -> None:
    httpserver.expect_request("/api/v1/sensors/hello", method="POST", json={"hostname": "node-1"}).respond_with_json(
        {"sensor": "node-1", **answer}
    )


def test_a_newer_number_is_pulled_and_put_in_force(httpserver: HTTPServer, line: Line) -> None:
    greeted(httpserver, ruleset=2)
    httpserver.expect_oneshot_request("/api/v1/ruleset", query_string="have=0").respond_with_json(
        {"number": 2, "files": [{"name": "a.yaml", "text": RULE}]}
    )
    line.heartbeat.once()
    line.heartbeat.once()
    [ruleset] = line.swapped
    assert ruleset.rule("mine")
    assert [request.path for request, _ in httpserver.log].count("/api/v1/ruleset") == 1


def test_numbers_that_went_back_are_pulled_whatever_they_are(httpserver: HTTPServer, line: Line) -> None:
    line.feed.number = 9
    greeted(httpserver, ruleset=2)
    httpserver.expect_request("/api/v1/ruleset", query_string="have=0").respond_with_json(
        {"number": 2, "files": [{"name": "a.yaml", "text": RULE}]}
    )
    line.heartbeat.once()
    assert line.feed.number == 2


def test_a_ruleset_that_does_not_load_is_told_and_not_used(httpserver: HTTPServer, line: Line) -> None:
    greeted(httpserver, ruleset=2)
    httpserver.expect_request("/api/v1/ruleset").respond_with_json(
        {"number": 2, "files": [{"name": "a.yaml", "text": RULE.replace("evt.type", "evt.typo")}]}
    )
    line.heartbeat.once()
    line.heartbeat.once()
    assert line.swapped == []
    [reason] = line.refused
    assert reason.startswith("ruleset 2: a.yaml:4")


@pytest.mark.parametrize("status", [204, 403, 500])
def test_a_server_without_a_ruleset_changes_nothing(httpserver: HTTPServer, line: Line, status: int) -> None:
    greeted(httpserver, ruleset=2)
    httpserver.expect_request("/api/v1/ruleset").respond_with_data(status=status)
    line.heartbeat.once()
    assert (line.swapped, line.refused) == ([], [])


@pytest.mark.parametrize("status", [401, 500])
def test_a_refused_hello_is_no_reason_to_stop(httpserver: HTTPServer, line: Line, status: int) -> None:
    httpserver.expect_request("/api/v1/sensors/hello").respond_with_data(status=status)
    line.heartbeat.once()
    assert line.swapped == []


def test_an_unreachable_server_is_left_to_the_loop(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        Line("http://127.0.0.1:1", tmp_path / "ruleset.json").heartbeat.once()


def test_expiry_is_judged_in_the_servers_time(httpserver: HTTPServer, line: Line) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=3)
    greeted(httpserver, ruleset=0, server_time=theirs.isoformat())
    line.heartbeat.once()
    assert abs(line.clock() - theirs) < timedelta(seconds=10)


@pytest.mark.parametrize("told", [None, "soon", "2026-11-23T12:00:00"])
def test_a_time_that_is_none_changes_nothing(told: object) -> None:
    clock = ServerClock()
    clock.set(told)
    assert abs(clock() - datetime.now(UTC)) < timedelta(seconds=10)


def test_the_others_are_told_once_when_the_server_answers_again(httpserver: HTTPServer, line: Line) -> None:
    httpserver.expect_oneshot_request("/api/v1/sensors/hello").respond_with_data(status=503)
    line.heartbeat.once()
    assert line.reached == []
    greeted(httpserver, ruleset=0)
    line.heartbeat.once()
    line.heartbeat.once()
    assert line.reached == [True]


def test_a_hello_can_be_asked_for_before_it_is_time(httpserver: HTTPServer, line: Line) -> None:
    hellos = Semaphore(0)

    def answer(request: Request) -> Response:
        hellos.release()
        return Response('{"ruleset": 0}', content_type="application/json")

    httpserver.expect_request("/api/v1/sensors/hello").respond_with_handler(answer)
    thread = Thread(target=line.heartbeat.loop)
    thread.start()
    try:
        assert hellos.acquire(timeout=5)
        line.heartbeat.greet()
        assert hellos.acquire(timeout=5)
    finally:
        line.stop.set()
        line.heartbeat.greet()
        thread.join(5)
    assert not thread.is_alive()
