import asyncio
import gzip
from typing import Any

import pytest

from routing.api import wire
from routing.api.problems import Problem
from routing.api.wire import Gone, Request

LIMIT = 1_000


def request(*messages: dict[str, Any], **headers: str) -> Request:
    """A request whose client sends these messages, and then nothing more."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": given}, receive)


def chunk(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def body(asked: Request) -> bytes:
    return asyncio.run(asked.body(LIMIT))


def refusal(asked: Request) -> int:
    with pytest.raises(Problem) as caught:
        body(asked)
    return caught.value.status


def test_chunks_are_put_together_also_compressed_ones():
    assert body(request(chunk(b"a", True), chunk(b"", True), chunk(b"b"))) == b"ab"
    packed = gzip.compress(b"ab" * 100)
    parts = [chunk(packed[at : at + 1], True) for at in range(len(packed))]
    assert body(request(*parts, chunk(b""), content_encoding="gzip")) == b"ab" * 100


def test_the_limit_itself_is_allowed_and_one_more_is_not():
    assert len(body(request(chunk(b"x" * LIMIT)))) == LIMIT
    assert refusal(request(chunk(b"x" * LIMIT, True), chunk(b"x"))) == 413
    assert len(body(request(chunk(gzip.compress(b"x" * LIMIT)), content_encoding="gzip"))) == LIMIT
    assert refusal(request(chunk(gzip.compress(b"x" * (LIMIT + 1))), content_encoding="gzip")) == 413


def test_compressed_nothings_without_end_are_too_much():
    nothing = gzip.compress(b"")
    assert refusal(request(*[chunk(nothing, True)] * (LIMIT // len(nothing) + 1), content_encoding="gzip")) == 413


def test_a_slow_client_is_given_up_on(monkeypatch):
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.01)
    assert refusal(request(chunk(b"a", True))) == 408


def test_a_client_that_leaves_is_gone():
    with pytest.raises(Gone):
        body(request(chunk(b"a", True), {"type": "http.disconnect"}))


def test_too_many_bytes_in_flight_are_refused_and_given_back(monkeypatch):
    monkeypatch.setattr(wire, "BODIES_BYTES", 10)
    assert refusal(request(chunk(b"x" * 11))) == 429
    assert body(request(chunk(b"x" * 10))) == b"x" * 10


def test_the_rest_of_a_refused_body_is_read_so_that_the_answer_can_be():
    async def scenario() -> None:
        asked = request(chunk(b"x" * 2_000, True), chunk(b"y", True), chunk(b"z"))
        with pytest.raises(Problem):
            await asked.body(LIMIT)
        await asked.drain()
        with pytest.raises(TimeoutError):  # Nothing is left to come.
            await asyncio.wait_for(asked.receive(), 0.01)

    asyncio.run(scenario())
