"""The whole agent against a real HTTP server, with events from the test instead of the kernel."""

import gzip
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sensor import internal
from sensor.agent import Agent
from sensor.alive import AliveMark
from sensor.config import Config, Limits, Node, Rules, Secret, Server, Spool
from sensor.context.clock import boot_id
from sensor.event import Event, Fd, Process
from sensor.rulefeed import RulesetRefused
from sensor.spool import prepare
from sensor.watch import SourceFailed

RULES = """
- rule: Secret opened
  desc: A test.
  condition: evt.type = openat and fd.name = /secret
  output: opened (file=%fd.name pid=%proc.pid)
  priority: WARNING
  tags: [test]
"""
NEWER = RULES.replace("/secret", "/other")
WRONG = RULES.replace("fd.name =", "fd.nmae =")


class Wire:
    """An event source that the test feeds."""

    def __init__(self) -> None:
        self.lost = 0
        self.wanted: list[frozenset[str] | None] = []
        self.events: queue.Queue[Event | Exception] = queue.Queue()
        self.opened = False

    def open(self) -> None:
        self.opened = True

    def want(self, event_types: frozenset[str] | None) -> None:
        self.wanted.append(event_types)

    def poll(self, timeout_s: float) -> Iterator[Event]:
        try:
            given = self.events.get(timeout=timeout_s)
        except queue.Empty:
            return
        if isinstance(given, Exception):
            raise given
        yield given

    def close(self) -> None:
        self.opened = False

    def see(self, path: str = "/secret", pid: int = 4242) -> None:
        process = Process(pid=pid, name="cat", start_time=1_700_000_000_000_000_000, start_ticks=77)
        self.events.put(Event("openat", time.time_ns(), proc=process, fd=Fd(name=path, typechar="f")))


class Node1:
    """One sensor, its server, and what arrived there."""

    def __init__(self, httpserver: HTTPServer, folder: Path) -> None:
        self.folder = folder
        self.url = httpserver.url_for("/")
        self.alerts: queue.Queue[dict[str, Any]] = queue.Queue()
        self.hellos: queue.Queue[dict[str, Any]] = queue.Queue()
        self.published: dict[str, Any] | None = None
        self.wire = Wire()
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None
        self.failure: BaseException | None = None
        httpserver.expect_request("/api/v1/alerts").respond_with_handler(self._take)
        httpserver.expect_request("/api/v1/sensors/hello").respond_with_handler(self._greet)
        httpserver.expect_request("/api/v1/ruleset").respond_with_handler(self._publish)
        (folder / "rules.yaml").write_text(RULES)

    def _take(self, request: Request) -> Response:
        alerts = json.loads(gzip.decompress(request.data))
        for alert in alerts:
            self.alerts.put(alert)
        return _json({"accepted": len(alerts), "duplicates": 0, "rejected": []}, 202)

    def _greet(self, request: Request) -> Response:
        self.hellos.put(json.loads(request.data))
        number = self.published["number"] if self.published else 0
        return _json({"sensor": "node-1", "ruleset": number, "server_time": "2026-11-23T12:00:00Z"}, 200)

    def _publish(self, request: Request) -> Response:
        assert self.published is not None
        return _json(self.published, 200)

    def config(self, files: tuple[str, ...] | None = None, limits: Limits | None = None) -> Config:
        return Config(
            server=Server(url=self.url, token=Secret("sa_test")),
            rules=Rules(files=files or (str(self.folder / "rules.yaml"),)),
            spool=Spool(path=str(self.folder / "spool.db")),
            limits=limits or Limits(),
            node=Node("node-1"),
        )

    def start(self, config: Config | None = None) -> Agent:
        self.stop = threading.Event()
        agent = Agent(config or self.config(), self.wire, lambda: ["open"], self.stop)
        ready = threading.Event()

        def live() -> None:
            try:
                agent.run(ready.set)
            except BaseException as error:
                self.failure = error

        self.thread = threading.Thread(target=live)
        self.thread.start()
        assert ready.wait(5)
        return agent

    def end(self) -> float:
        """Stop and return how long it took."""
        began = time.monotonic()
        self.stop.set()
        assert self.thread is not None
        self.thread.join(10)
        assert not self.thread.is_alive()
        return time.monotonic() - began

    def alert(self) -> dict[str, Any]:
        return self.alerts.get(timeout=5)

    def alert_of(self, rule: str) -> dict[str, Any]:
        while (alert := self.alert())["rule"] != rule:
            pass
        return alert


def _json(body: object, status: int) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


@pytest.fixture
def node(httpserver: HTTPServer, tmp_path: Path) -> Iterator[Node1]:
    made = Node1(httpserver, tmp_path)
    yield made
    if made.thread is not None and made.thread.is_alive():
        made.end()


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until
        threading.Event().wait(0.01)


def test_an_event_becomes_an_alert_on_the_server_at_once(node: Node1) -> None:
    node.start()
    began = time.monotonic()
    node.wire.see()
    alert = node.alert()
    assert time.monotonic() - began < 1.0
    assert alert["rule"] == "Secret opened"
    assert alert["priority"] == "Warning"
    assert alert["hostname"] == "node-1"
    assert alert.get("source", "syscall") == "syscall"
    assert alert["tags"] == ["test"]
    assert alert["output"].endswith(": Warning opened (file=/secret pid=4242)")
    fields = alert["output_fields"]
    assert (fields["proc.pid"], fields["proc.pid.ts"], fields["proc.start_ticks"]) == (
        4242,
        1_700_000_000_000_000_000,
        77,
    )
    assert alert["uuid"][14] == "7"


def test_the_source_is_told_which_event_types_matter(node: Node1) -> None:
    node.start()
    eventually(lambda: node.wire.wanted == [frozenset({"openat"})])


def test_a_hello_says_who_this_is_and_how_it_is_doing(node: Node1) -> None:
    node.start()
    hello = node.hellos.get(timeout=5)
    assert hello["hostname"] == "node-1"
    assert hello["boot_id"] == boot_id()
    assert (hello["probes"], hello["actions"], hello["ruleset"]) == (["open"], [], 0)
    assert {"events", "lost", "held_back", "spooled", "rule_errors", "cpu_percent", "rss_bytes"} <= hello[
        "stats"
    ].keys()


def test_an_event_that_breaks_us_is_counted_and_the_next_one_is_seen(node: Node1) -> None:
    agent = node.start()
    node.wire.events.put(Event("openat", -1, proc="nonsense"))  # type: ignore[arg-type]
    node.wire.see()
    assert node.alert()["rule"] == "Secret opened"
    assert agent.stats()["events"] == 2


def test_a_source_that_fails_once_is_polled_again(node: Node1) -> None:
    node.start()
    node.wire.events.put(OSError("interrupted"))
    node.wire.see()
    assert node.alert()["rule"] == "Secret opened"


def test_a_source_that_keeps_failing_ends_the_sensor_uncleanly(node: Node1) -> None:
    node.start()
    eventually(lambda: AliveMark(node.folder / "spool.db", "x").previous() is not None)
    for _ in range(20):
        node.wire.events.put(OSError("ring buffer gone"))
    assert node.thread is not None
    node.thread.join(15)
    assert isinstance(node.failure, SourceFailed)
    previous = AliveMark(node.folder / "spool.db", "x").previous()
    assert previous is not None
    assert not previous.clean


def test_a_stop_takes_less_than_two_seconds_and_says_that_it_was_one(node: Node1) -> None:
    node.start()
    assert node.end() < 2.0
    previous = AliveMark(node.folder / "spool.db", "x").previous()
    assert previous is not None
    assert previous.clean
    assert not node.wire.opened


def test_after_an_unclean_end_the_blind_interval_is_told(node: Node1) -> None:
    path = node.folder / "spool.db"
    prepare(path)
    died = time.time_ns() - 7_000_000_000
    AliveMark(path, boot_id()).touch(died)
    node.start()
    alert = node.alert_of(internal.BLIND)
    assert (alert["source"], alert["priority"]) == ("internal", "Warning")
    fields = alert["output_fields"]
    assert 7.0 <= fields["seconds"] < 15.0
    assert fields["since"] < fields["until"]
    assert fields["node_restarted"] == 0


def test_after_a_clean_stop_nothing_is_told(node: Node1) -> None:
    node.start()
    node.end()
    node.start()
    node.wire.see()
    assert node.alert()["rule"] == "Secret opened"


def test_lost_events_are_told_once_with_their_number(node: Node1) -> None:
    node.start()
    node.wire.lost = 40
    alert = node.alert_of(internal.LOST)
    assert alert["output_fields"]["lost"] == 40
    node.wire.lost = 50
    node.wire.see()
    assert node.alert()["rule"] == "Secret opened"


def test_what_the_limiter_held_travels_on_the_next_alert(node: Node1) -> None:
    node.start(node.config(limits=Limits(rule_rate=20.0, rule_burst=1)))
    for _ in range(4):
        node.wire.see()
    first = node.alert()
    assert first.get("held_back", 0) == 0

    def again() -> bool:
        node.wire.see()
        return not node.alerts.empty()

    eventually(again)
    assert node.alert()["held_back"] >= 3


def test_alerts_of_an_unreachable_server_arrive_after_a_restart(node: Node1) -> None:
    nowhere = Server(url="http://127.0.0.1:1", token=Secret("sa_test"))
    agent = node.start(replace(node.config(), server=nowhere))
    node.wire.see()
    eventually(lambda: agent.stats()["spooled"] == 1)
    node.end()
    node.start()
    assert node.alert()["rule"] == "Secret opened"


def test_a_newer_ruleset_is_pulled_put_in_force_and_kept(node: Node1) -> None:
    node.published = {"number": 3, "files": [{"name": "a.yaml", "text": NEWER}]}
    agent = node.start(node.config(files=("pull",)))
    eventually(lambda: agent.greeting()["ruleset"] == 3 and len(node.wire.wanted) == 2)
    node.wire.see("/other")
    assert node.alert_of("Secret opened")["output_fields"]["fd.name"] == "/other"
    node.end()
    node.published = None
    assert Agent(node.config(files=("pull",)), node.wire, list, threading.Event()).greeting()["ruleset"] == 3


def test_a_ruleset_that_does_not_load_is_refused_and_the_old_one_stays(node: Node1) -> None:
    node.published = {"number": 3, "files": [{"name": "a.yaml", "text": RULES}]}
    agent = node.start(node.config(files=("pull",)))
    eventually(lambda: agent.greeting()["ruleset"] == 3)
    node.end()
    node.published = {"number": 4, "files": [{"name": "b.yaml", "text": WRONG}]}
    agent = node.start(node.config(files=("pull",)))
    alert = node.alert_of(internal.RULESET_REFUSED)
    assert "did you mean fd.name" in alert["output_fields"]["reason"]
    assert agent.greeting()["ruleset"] == 3
    assert agent.stats()["rulesets_refused"] == 1
    node.wire.see()
    assert node.alert_of("Secret opened")


def test_local_rules_that_do_not_load_stop_the_start(node: Node1) -> None:
    (node.folder / "rules.yaml").write_text(WRONG)
    with pytest.raises(RulesetRefused, match=r"rules\.yaml:4:\d+.*fd\.nmae"):
        node.start()


def test_two_sensors_never_share_a_spool(node: Node1) -> None:
    node.start()
    with pytest.raises(BlockingIOError, match="another sensor"):
        Agent(node.config(), node.wire, list, threading.Event())
    node.end()
    node.start()


def test_a_damaged_spool_is_told(node: Node1) -> None:
    (node.folder / "spool.db").write_bytes(os.urandom(20_000))
    node.start()
    assert "set aside" in node.alert_of(internal.SPOOL_DAMAGED)["output"]
