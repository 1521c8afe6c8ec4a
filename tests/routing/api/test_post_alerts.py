import gzip
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.utils import timezone

from routing.admission import Sender
from routing.api import formats, pressure
from routing.api.gate import through
from routing.api.in_threads import Threads
from routing.api.post_alerts import PostAlerts
from routing.api.tokens import Senders
from routing.groupcommit import Full, Unavailable, Writer
from routing.ingest import Outcome
from routing.models import Alert, AlertDay, Token
from tests import build
from tests.asgi import Answer, Client, serving

TOKEN = "sa_test"
PATH = "/api/v1/alerts"
# Without the time of day, which would name its test anew in every process.
EMPTY = gzip.compress(b"[]", mtime=0)


@pytest.fixture
def token(transactional_db: None) -> Token:
    return build.token("sensor", TOKEN, hostname="node-1")


def counts(answer: Answer) -> tuple[int, int, list[int]]:
    said = answer.json()
    return said["accepted"], said["duplicates"], [rejected["index"] for rejected in said["rejected"]]


def assert_problem(answer: Answer, status: int) -> dict[str, object]:
    """RFC 9457, with this status."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    return problem


@pytest.mark.usefixtures("token")
class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            orjson.dumps(build.posted()),
            b"\xef\xbb\xbf \n" + orjson.dumps(build.posted()) + b"\n",
            json.dumps(build.posted(), indent=2).encode(),
            orjson.dumps([build.posted()]),
        ],
    )
    def test_one_alert_is_stored(self, server: Client, body: bytes):
        answer = server.post(PATH, body, TOKEN)
        assert (answer.status, counts(answer)) == (202, (1, 0, []))
        assert Alert.objects.get().own_node

    def test_an_array_and_lines_are_stored_whole(self, server: Client):
        alerts = [build.posted(output=f"number {number}") for number in range(5)]
        assert counts(server.post(PATH, alerts[:3], TOKEN)) == (3, 0, [])
        lines = b"\r\n".join(orjson.dumps(alert) for alert in alerts) + b"\n\n"
        assert counts(server.post(PATH, lines, TOKEN)) == (2, 3, [])
        assert Alert.objects.count() == 5

    def test_gzip_is_unpacked_also_in_several_members(self, server: Client):
        whole = orjson.dumps([build.posted(output="a"), build.posted(output="b")])
        body = gzip.compress(whole[:50]) + gzip.compress(whole[50:])
        assert counts(server.post(PATH, body, TOKEN, content_encoding="gzip")) == (2, 0, [])

    def test_a_bad_neighbour_costs_nobody_else(self, server: Client):
        body = [
            build.posted(output="a"),
            {},
            5,
            build.posted(priority="loud"),
            build.posted(time="0000-01-01T00:00:00Z"),
            build.posted(output="b"),
        ]
        answer = server.post(PATH, body, TOKEN)
        assert (answer.status, counts(answer)) == (202, (2, 0, [1, 2, 3, 4]))
        assert [rejected["field"] for rejected in answer.json()["rejected"]] == ["rule", "", "priority", "time"]

    @pytest.mark.parametrize(
        "spoiled",
        [
            rb'{"rule":"\ud800","priority":"Error","time":"2026-11-23T12:00:00Z","output_fields":{"a":"\udfff x"}}',
            b'{"rule":"\xff\xfe","priority":"Error","time":"2026-11-23T12:00:00Z"}',
            b'{"rule":"r","priority":"Error","time":"2026-11-23T12:00:00Z","output_fields":{"a":1e999,"b":-1e999}}',
            b'{"rule":"r","priority":"Error","time":"2026-11-23T12:00:00Z","output_fields":{"a":' + b"9" * 6000 + b"}}",
            rb'{"rule":"a\u0000b","priority":"Error","time":"2026-11-23T12:00:00Z","output":"\u0000"}',
            b'{"rule":"twice","rule":"r","priority":"Error","time":"2026-11-23T12:00:00Z"}',
        ],
    )
    def test_what_is_strange_but_json_is_stored_with_its_neighbours(self, server: Client, spoiled: bytes):
        good = orjson.dumps(build.posted())
        assert counts(server.post(PATH, b"[" + good + b"," + spoiled + b"]", TOKEN)) == (2, 0, [])
        assert counts(server.post(PATH, good + b"\n" + spoiled, TOKEN)) == (0, 2, [])

    @pytest.mark.parametrize("line", [b"nonsense", b"{", b'{"rule":', b"NaN", b'{"a":NaN}', b"[" * 100_000])
    def test_a_line_that_is_not_json_is_rejected_with_its_index(self, server: Client, line: bytes):
        good = orjson.dumps(build.posted())
        assert counts(server.post(PATH, good + b"\n" + line + b"\n" + good, TOKEN)) == (1, 1, [1])
        assert counts(server.post(PATH, line + b"\n" + good, TOKEN)) == (0, 1, [0])

    @pytest.mark.parametrize(
        "body", [b"", b" \n", b"nonsense", b"{", b"[{]", b'[{"a":NaN}]', b"{}\x00", b"\xff", b"[" * 100_000]
    )
    def test_what_is_not_json_is_400(self, server: Client, body: bytes):
        assert_problem(server.post(PATH, body, TOKEN), 400)

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"[{}]", b"null", b"5", b'"text"', b'[{"rule":"r"}]', b"{}\n{}"])
    def test_json_without_a_valid_alert_is_422_and_says_why(self, server: Client, body: bytes):
        problem = assert_problem(server.post(PATH, body, TOKEN), 422)
        assert (problem["accepted"], problem["duplicates"]) == (0, 0)
        assert problem["rejected"] or body == b"[]"

    def test_a_repeat_alone_is_accepted_as_such(self, server: Client):
        server.post(PATH, build.posted(), TOKEN)
        answer = server.post(PATH, build.posted(), TOKEN)
        assert (answer.status, counts(answer)) == (202, (0, 1, []))

    def test_an_alert_of_a_day_that_is_no_longer_kept_is_rejected_by_name(self, server: Client):
        AlertDay.objects.create(day=date(2026, 11, 22), made_at=build.NOW, dropped_at=build.NOW)
        answer = server.post(PATH, [build.posted(time="2026-11-22T12:00:00Z"), build.posted()], TOKEN)
        assert (answer.status, counts(answer)) == (202, (1, 0, [0]))
        assert answer.json()["rejected"][0]["field"] == "time"

    def test_an_idempotency_key_makes_repeats_known(self, server: Client):
        for output, expected in (("a", (2, 0, [])), ("b", (0, 2, []))):
            body = [build.posted(output=output), build.posted(output=output)]
            assert counts(server.post(PATH, body, TOKEN, idempotency_key="k")) == expected


@pytest.mark.usefixtures("token")
class TestLimits:
    def test_over_ten_thousand_alerts_are_413(self, server: Client):
        assert_problem(server.post(PATH, b"[" + b",".join([b"{}"] * 10_001) + b"]", TOKEN), 413)
        assert_problem(server.post(PATH, b"{}\n" * 10_001, TOKEN), 413)
        assert_problem(server.post(PATH, b"{}\n" * 10_000, TOKEN), 422)

    def test_lines_beyond_the_limit_are_not_even_read(self, settings):
        settings.INGEST_MAX_ALERTS = 10
        assert len(formats.values(b"{}\nnonsense\n" * 5_000, {})) == 11

    def test_ten_thousand_alerts_are_stored(self, server: Client):
        body = [build.posted(output=str(number)) for number in range(10_000)]
        assert counts(server.post(PATH, body, TOKEN)) == (10_000, 0, [])
        assert Alert.objects.count() == 10_000

    def test_over_eight_mebibytes_are_413_whether_declared_or_not(self, server: Client):
        body = [b"[" + b" " * (1 << 20)] + [b" " * (1 << 20)] * 7
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert_problem(server.request("POST", PATH, body, bearer), 413)
        assert_problem(server.request("POST", PATH, body, {**bearer, "content-length": str(9 << 20)}), 413)

    def test_a_zip_bomb_is_413_before_it_unfolds(self, server: Client):
        bomb = gzip.compress(b" " * (64 << 20))
        assert len(bomb) < 1 << 17
        assert_problem(server.post(PATH, bomb, TOKEN, content_encoding="gzip"), 413)
        assert_problem(server.post(PATH, gzip.compress(b"") * 9 + bomb, TOKEN, content_encoding="gzip"), 413)

    @pytest.mark.parametrize("body", [b"plain", b"", EMPTY[:-4], EMPTY + b"tail"])
    def test_damaged_gzip_is_400(self, server: Client, body: bytes):
        assert_problem(server.post(PATH, body, TOKEN, content_encoding="gzip"), 400)

    def test_another_encoding_is_415(self, server: Client):
        assert_problem(server.post(PATH, b"{}", TOKEN, content_encoding="br"), 415)


@pytest.mark.usefixtures("token")
class TestTooMuch:
    def test_over_its_rate_a_token_is_told_when_to_come_back(self, server: Client, settings):
        settings.INGEST_RATE, settings.INGEST_BURST = 1, 5
        build.token("sensor", "sa_other")
        assert server.post(PATH, [build.posted(output=str(number)) for number in range(8)], TOKEN).status == 202
        answer = server.post(PATH, build.posted(output="late"), TOKEN)
        assert "1 alerts a second" in str(assert_problem(answer, 429)["detail"])
        assert int(answer.headers["retry-after"]) in (3, 4)
        assert_problem(server.post("/ingest/sa_test/", b"", content_encoding="br"), 429)
        assert server.post(PATH, build.posted(output="late"), "sa_other").status == 202
        assert Alert.objects.count() == 9

    def test_rejected_alerts_and_posts_that_cannot_be_read_count_too(self, server: Client, settings):
        settings.INGEST_RATE, settings.INGEST_BURST = 1, 5
        assert [server.post(PATH, body, TOKEN).status for body in (b"nonsense", b"[{},{},{},{}]", b"{}")] == [
            400,
            422,
            429,
        ]

    def test_while_too_many_alerts_wait_to_be_routed_no_more_are_taken(self, server: Client, settings, monkeypatch):
        settings.INGEST_MAX_BACKLOG = 2
        # Counted again and again, however long a count takes on a busy machine.
        monkeypatch.setattr(pressure, "COUNT_EVERY", 0.0)
        monkeypatch.setattr(pressure, "SHARE", float("inf"))
        statuses = set()
        for number in range(2_000):
            answer = server.post(PATH, build.posted(output=str(number)), TOKEN)
            statuses.add(answer.status)
            if answer.status == 429:
                break
        assert statuses == {202, 429}
        assert "wait to be routed" in str(assert_problem(answer, 429)["detail"])
        assert answer.headers["retry-after"] == "5"
        Alert.objects.all().delete()
        while server.post(PATH, build.posted(output="after"), TOKEN).status == 429:
            pass
        assert Alert.objects.count() == 1


class TestTokens:
    @pytest.mark.parametrize("path", [PATH, "/ingest/"])
    def test_a_header_of_our_own_carries_it_where_authorization_is_a_proxys(
        self, server: Client, token: Token, path: str
    ):
        headers = {"x_sensorapp_token": TOKEN, "authorization": "Basic cHJveHk6cHJveHk="}
        assert server.post(path, build.posted(), **headers).status in (200, 202)
        assert_problem(server.post(path, build.posted(), **headers | {"x_sensorapp_token": "sa_wrong"}), 401)

    @pytest.mark.parametrize("given", ["", "sa_wrong", "ü" * 20, "x" * 10_000])
    def test_a_wrong_token_is_401_in_either_place(self, server: Client, token: Token, given: str):
        answer = server.post(PATH, build.posted(), given)
        assert_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert_problem(server.post(f"/ingest/{given}/", build.posted()), 401)

    @pytest.mark.parametrize(("role", "status"), [("admin", 202), ("editor", 202), ("responder", 403), ("viewer", 403)])
    def test_people_who_only_look_or_respond_may_not_post(self, server: Client, role: str, status: int):
        build.token(role, "sa_other")
        assert server.post(PATH, build.posted(), "sa_other").status == status

    def test_a_cookie_opens_nothing(self, server: Client, token: Token):
        assert_problem(server.post(PATH, build.posted(), cookie="sessionid=x; token=sa_test"), 401)

    def test_a_revoked_token_is_refused_at_once_where_it_was_not_seen(self, server: Client):
        build.token("sensor", TOKEN, revoked_at=timezone.now() - timedelta(seconds=1))
        assert_problem(server.post(PATH, build.posted(), TOKEN), 401)


FALCO = {
    "hostname": "node-1",
    "output": "12:00:00.000000000: Warning Sensitive file opened (file=/etc/shadow)",
    "output_fields": {"evt.time": 1_795_435_200_000_000_000, "fd.name": "/etc/shadow", "container.id": None},
    "priority": "Warning",
    "rule": "Read sensitive file untrusted",
    "source": "syscall",
    "tags": ["container", "T1555"],
    "time": "2026-11-23T12:00:00.000000000Z",
}


@pytest.mark.usefixtures("token")
class TestFalco:
    @pytest.mark.parametrize("path", ["/ingest/sa_test/", "/ingest/sa_test"])
    def test_falco_gets_200(self, server: Client, path: str):
        answer = server.post(path, FALCO)
        assert (answer.status, counts(answer)) == (200, (1, 0, []))
        alert = Alert.objects.get()
        assert (alert.rule, alert.output_fields["fd.name"]) == (FALCO["rule"], "/etc/shadow")

    def test_the_token_may_be_a_header(self, server: Client):
        assert server.post("/ingest/", FALCO, TOKEN).status == 200

    def test_falcosidekick_is_understood_and_a_repeat_known_by_its_uuid(self, server: Client):
        uuid = "5f0e1a1c-8c0b-4d2b-9d7e-0a3b1c2d4e5f"
        for expected in ((1, 0, []), (0, 1, [])):
            assert counts(server.post("/ingest/sa_test/", {**FALCO, "uuid": uuid})) == expected
        assert counts(server.post("/ingest/sa_test/", {**FALCO, "uuid": str(uuid4())})) == (1, 0, [])

    def test_bad_input_is_told_as_everywhere(self, server: Client):
        assert_problem(server.post("/ingest/sa_test/", b"nonsense"), 400)
        assert_problem(server.post("/ingest/sa_test/", {}), 422)
        answer = server.get("/ingest/sa_test/")
        assert_problem(answer, 405)
        assert answer.headers["allow"] == "POST"


class TestTrouble:
    """What a sender is told when the alerts cannot be stored now."""

    @contextmanager
    def failing(self, error: Exception) -> Iterator[Client]:
        """A server whose writer raises this."""
        threads = Threads(1, "raw")
        senders = Senders(threads, lambda token: Sender(1, "node-1", "sensor", "node-1"))

        class Failing(Writer):
            async def store(self, rows: object) -> list[Outcome]:
                raise error

        posts = PostAlerts(senders, Failing([], lambda: None), threads)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await lifespan(receive, send)
            else:
                await through(posts.api, scope, receive, send, methods=("POST",))

        with serving(app) as client:
            yield client
        threads.stop()

    @pytest.mark.parametrize(
        ("error", "status"), [(Full(), 429), (Unavailable("no database"), 503), (ValueError("a bug"), 503)]
    )
    def test_it_is_told_to_come_back(self, error: Exception, status: int):
        with self.failing(error) as client:
            answer = client.post(PATH, build.posted(), TOKEN)
        assert_problem(answer, status)
        assert "a bug" not in answer.body.decode()
        assert answer.headers.get("retry-after") == (None if isinstance(error, ValueError) else "1")


async def lifespan(receive: Any, send: Any) -> None:
    """Nothing to start or stop."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


@pytest.mark.usefixtures("token")
def test_simultaneous_repeats_are_stored_once_and_counted_truly(server: Client):
    batches = [[build.posted(output=str(n)) for n in range(start, start + 40)] for start in (0, 20, 40)] * 4
    random.Random(1).shuffle(batches)
    with ThreadPoolExecutor(len(batches)) as pool:
        told = [counts(answer) for answer in pool.map(lambda batch: server.post(PATH, batch, TOKEN), batches)]
    assert Alert.objects.count() == 80
    assert sum(accepted for accepted, _, _ in told) == 80
    assert sum(duplicates for _, duplicates, _ in told) == 12 * 40 - 80
