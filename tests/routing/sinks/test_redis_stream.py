"""The Redis stream against a real Valkey on a TCP port."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from routing.management import valkey
from routing.sinks.base import Verdict
from routing.sinks.redis_stream import RedisStream
from tests.routing.sinks import samples

PASSWORD = "password-that-nobody-may-see"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("valkey")
    users = ["--user", "sensorapp", "on", f">{PASSWORD}", "~sensorapp:*", "~taken", "+xadd", "+select"]
    options = ["--port", str(found), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", *users]
    process = subprocess.Popen([str(valkey.binary()), *options], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=found) as client:
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
        yield found
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port, decode_responses=True) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
        yield client


def sender(port: int, **options: object) -> RedisStream:
    return RedisStream({**samples.options("redis_stream", ""), "port": port, **options})


@pytest.mark.parametrize("event", samples.EVENTS)
def test_a_message_is_the_entry_in_the_fixture(server: redis.Redis, port: int, event: str) -> None:
    outcome = sender(port).deliver(samples.message(event))
    assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")
    ((entry, fields),) = server.xrange("sensorapp:alerts")
    assert entry == outcome.response
    assert (fields["delivery"], fields["type"]) == (str(samples.DELIVERY), f"alerts.{event}")
    assert json.loads(fields["body"]) == samples.golden("webhook", event)


def test_the_largest_message_is_cut_and_added(server: redis.Redis, port: int) -> None:
    assert sender(port).deliver(samples.enormous()).verdict is Verdict.SENT
    ((_, fields),) = server.xrange("sensorapp:alerts")
    assert len(fields["body"].encode()) <= 256 * 1024


def test_a_stream_keeps_about_as_many_as_it_is_told(server: redis.Redis, port: int) -> None:
    limited, unlimited = sender(port, most=1), sender(port, most=0, stream="sensorapp:all")
    for _ in range(250):
        limited.deliver(samples.message())
    for _ in range(3):
        unlimited.deliver(samples.message())
    # Whole nodes of a hundred entries are dropped.
    assert server.xlen("sensorapp:alerts") <= 101
    assert server.xlen("sensorapp:all") == 3


def test_another_database_is_another_place(server: redis.Redis, port: int) -> None:
    assert sender(port, database=3).deliver(samples.message()).verdict is Verdict.SENT
    assert server.xlen("sensorapp:alerts") == 0
    with redis.Redis(port=port, db=3) as third:
        assert third.xlen("sensorapp:alerts") == 1


@pytest.mark.parametrize(
    "options", [{"password": "wrong-password"}, {"username": "nobody"}, {"stream": "not-ours"}], ids=str
)
def test_what_the_user_may_not_do_is_a_matter_of_credentials(
    server: redis.Redis, port: int, options: dict[str, str]
) -> None:
    outcome = sender(port, **options).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert PASSWORD not in repr(outcome) + outcome.request + outcome.response


def test_a_key_that_is_no_stream_fails(server: redis.Redis, port: int) -> None:
    server.set("taken", "x")
    outcome = sender(port, stream="taken").deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "WRONGTYPE" in outcome.error


def test_a_server_that_is_full_is_tried_again(server: redis.Redis, port: int) -> None:
    server.config_set("maxmemory", 1)
    assert sender(port).deliver(samples.message()).verdict is Verdict.RETRY


def test_a_server_that_is_down_is_tried_again_and_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)


def test_a_server_without_tls_is_said_not_to_have_it(server: redis.Redis, port: int) -> None:
    outcome = sender(port, tls=True).deliver(samples.message())
    assert outcome.verdict is Verdict.RETRY
    assert "TLS" in outcome.error
    assert server.xlen("sensorapp:alerts") == 0


@pytest.mark.parametrize(
    ("answers", "verdict", "arrived"),
    [
        (b"+OK\r\n", Verdict.RETRY, True),
        (b"+OK\r\n$21\r\n1-1", Verdict.RETRY, True),
        (b"+OK\r\n$many\r\n", Verdict.RETRY, True),
        (b"HTTP/1.1 400 Bad Request\r\n", Verdict.RETRY, False),
        (b"x" * 5000, Verdict.RETRY, False),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Verdict.RETRY, False),
        (b"+OK\r\n-MOVED 1 10.0.0.7:6379\r\n", Verdict.CREDENTIALS, False),
        (b"+OK\r\n-ERR Protocol error: invalid bulk length\r\n", Verdict.FAILED, False),
    ],
)
def test_an_answer_that_is_none_is_tried_again(answers: bytes, verdict: Verdict, arrived: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answers)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    continue

        thread = threading.Thread(target=answer)
        thread.start()
        outcome = sender(server.getsockname()[1]).deliver(samples.message())
        thread.join()
    assert (outcome.verdict, outcome.arrived) == (verdict, arrived)


def test_a_private_address_is_refused(settings) -> None:
    settings.OUTBOUND_ALLOW = []
    outcome = sender(6379).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error
