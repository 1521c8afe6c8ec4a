"""Posting from the spool: what each answer does to the alerts that wait."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sensor.alert import Alert
from sensor.config import Secret, Server
from sensor.posting import Poster
from sensor.spool import Spool, prepare
from sensor.transport import SLOW_RETRY, Client

Answer = Callable[[list[dict[str, object]]], Response]


def reply(status: int, body: object = None, **headers: str) -> Response:
    return Response(json.dumps(body), status=status, headers=headers, content_type="application/json")


def taken(alerts: list[dict[str, object]]) -> Response:
    return reply(202, {"accepted": len(alerts), "duplicates": 0, "rejected": []})


class Desk:
    """A spool, a server whose answers the test writes, and the poster between them."""

    def __init__(self, httpserver: HTTPServer, path: Path) -> None:
        prepare(path)
        self.spool = Spool(path, 64 * 1024 * 1024)
        self.stop = Event()
        self.rejections: list[tuple[int, str]] = []
        self.posts: list[list[str]] = []
        self.answer: Answer = taken
        httpserver.expect_request("/api/v1/alerts").respond_with_handler(self._serve)
        client = Client(Server(url=httpserver.url_for("/"), token=Secret("sa_test")))
        self.poster = Poster(client, self.spool, self.stop, lambda *told: self.rejections.append(told))

    def _serve(self, request: Request) -> Response:
        alerts = json.loads(gzip.decompress(request.data))
        self.posts.append([alert["rule"] for alert in alerts])
        return self.answer(alerts)

    def put(self, *rules: str) -> None:
        self.spool.append([Alert(time="t", rule=rule, priority="Warning") for rule in rules])

    def drain(self) -> None:
        while self.poster.once() == 0.0:
            pass


@pytest.fixture
def desk(httpserver: HTTPServer, tmp_path: Path):
    made = Desk(httpserver, tmp_path / "spool.db")
    yield made
    made.spool.close()


def test_what_the_server_took_is_forgotten(desk: Desk) -> None:
    desk.put("a", "b")
    desk.drain()
    assert desk.posts == [["a", "b"]]
    assert (desk.poster.posted, desk.spool.waiting) == (2, 0)


def test_an_empty_spool_posts_nothing(desk: Desk) -> None:
    assert desk.poster.once() is None
    assert desk.posts == []


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_wrong_token_or_url_keeps_every_alert_and_is_tried_slowly(desk: Desk, status: int) -> None:
    desk.answer = lambda alerts: reply(status)
    desk.put("a")
    assert desk.poster.once() == SLOW_RETRY
    assert desk.spool.waiting == 1


def test_a_success_that_is_not_our_servers_keeps_every_alert(desk: Desk) -> None:
    desk.answer = lambda alerts: Response("<h1>Please sign in to this network</h1>", status=200)
    desk.put("a")
    assert desk.poster.once() == SLOW_RETRY
    assert desk.spool.waiting == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_it_asks_for(desk: Desk, status: int) -> None:
    desk.answer = lambda alerts: reply(status, **{"Retry-After": "17"})
    desk.put("a")
    assert desk.poster.once() == 17.0
    assert desk.spool.waiting == 1


def test_a_failing_server_is_tried_again_until_it_takes_them(desk: Desk) -> None:
    failures = [500, 502, 503]
    desk.answer = lambda alerts: reply(failures.pop()) if failures else taken(alerts)
    desk.put("a")
    pauses = [desk.poster.once() for _ in range(4)]
    assert all(pause is not None and pause > 0 for pause in pauses[:3])
    assert pauses[3] == 0.0
    assert desk.spool.waiting == 0


def test_what_is_too_large_is_sent_in_smaller_posts(desk: Desk) -> None:
    desk.answer = lambda alerts: reply(413) if len(alerts) > 2 else taken(alerts)
    desk.put(*"abcdefgh")
    desk.drain()
    assert [len(post) for post in desk.posts] == [8, 4, 2, 4, 2, 4, 2, 2]
    assert desk.poster.posted == 8
    assert desk.rejections == []


def test_the_alerts_named_as_rejected_are_buried_and_the_others_are_done(desk: Desk) -> None:
    rejected = [{"index": 1, "field": "time", "reason": "not a time"}]
    desk.answer = lambda alerts: reply(202, {"accepted": 2, "duplicates": 0, "rejected": rejected})
    desk.put("a", "b", "c")
    desk.drain()
    assert desk.spool.waiting == 0
    assert desk.poster.posted == 2
    assert desk.rejections == [(1, "time: not a time")]
    [(reason, body)] = desk.spool.dead_letters()
    assert (reason, json.loads(body)["rule"]) == ("time: not a time", "b")


def test_a_422_that_names_the_bad_ones_buries_only_those(desk: Desk) -> None:
    def bad_b(alerts: list[dict[str, object]]) -> Response:
        bad = [index for index, alert in enumerate(alerts) if alert["rule"] == "b"]
        rejected = [{"index": index, "field": "rule", "reason": "bad"} for index in bad]
        return reply(422, {"title": "No valid alert", "rejected": rejected}) if bad else taken(alerts)

    desk.answer = bad_b
    desk.put("a", "b")
    desk.drain()
    assert desk.posts == [["a", "b"], ["a"]]
    assert (desk.poster.posted, desk.poster.dead_lettered) == (1, 1)


def test_a_422_that_names_nothing_of_the_post_does_not_repeat_it_for_ever(desk: Desk) -> None:
    desk.answer = lambda alerts: reply(422, {"rejected": [{"index": 99, "field": "rule", "reason": "odd"}]})
    desk.put("a", "b")
    for _ in range(10):
        desk.poster.once()
    assert desk.posts == [["a", "b"], ["a"], ["b"]]
    assert desk.spool.waiting == 0


def test_one_poison_alert_is_found_by_halving_and_only_it_is_buried(desk: Desk) -> None:
    poison = "x"
    desk.answer = lambda alerts: reply(400) if any(a["rule"] == poison for a in alerts) else taken(alerts)
    desk.put(*"abcdex", *"fgh")
    desk.drain()
    assert [json.loads(body)["rule"] for _, body in desk.spool.dead_letters()] == ["x"]
    assert desk.poster.posted == 8


def test_an_unreachable_server_loses_nothing(desk: Desk) -> None:
    nobody = Client(Server(url="http://127.0.0.1:1", token=Secret("sa_test")))
    desk.put("a")
    pause = Poster(nobody, desk.spool, desk.stop, lambda *told: None).once()
    assert pause is not None
    assert pause > 0
    assert desk.spool.waiting == 1


def test_a_new_alert_is_posted_at_once(desk: Desk) -> None:
    arrived = Event()

    def note(alerts: list[dict[str, object]]) -> Response:
        arrived.set()
        return taken(alerts)

    desk.answer = note
    thread = Thread(target=desk.poster.loop)
    thread.start()
    try:
        desk.put("a")
        desk.poster.wake()
        assert arrived.wait(2.0)
    finally:
        desk.stop.set()
        desk.poster.wake()
        thread.join(5.0)
    assert not thread.is_alive()


def test_a_repeat_after_a_lost_answer_carries_the_same_uuid(desk: Desk) -> None:
    seen: list[object] = []

    def lose_first_answer(alerts: list[dict[str, object]]) -> Response:
        seen.append(alerts[0]["uuid"])
        return reply(500) if len(seen) == 1 else taken(alerts)

    desk.answer = lose_first_answer
    desk.put("a")
    desk.poster.once()
    desk.poster.once()
    assert len(seen) == 2
    assert seen[0] == seen[1]
