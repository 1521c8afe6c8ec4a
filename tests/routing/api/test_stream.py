import asyncio
import queue
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from routing import doorbell
from routing.api import stream as module
from tests.asgi import Client

QUIET = 0.3
"""Seconds without a word that count as silence."""


@pytest.fixture
def cookie(transactional_db: None, as_user, carol: User) -> str:
    """Carol's session, as her browser sends it."""
    browser: Browser = as_user(carol)
    return f"sessionid={browser.cookies['sessionid'].value}"


@pytest.fixture
def quickly(monkeypatch) -> Iterator[None]:
    """Permissions are checked again, and topics told again, without a long wait."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(module, "GAP_SECONDS", 0.05)
    return


def test_a_ring_reaches_the_page_as_a_topic_and_nothing_else(server: Client, cookie: str):
    with server.stream("GET", "/stream", headers={"cookie": cookie}) as stream:
        assert stream.read() == module.LISTENING
        assert (stream.answer.status, stream.answer.headers["content-type"]) == (200, "text/event-stream")
        doorbell.ring("alerts", "runs")
        told = stream.read()
        while told.count(b"event:") < 2:
            told += stream.read()
        assert told == b"event: alerts\ndata:\n\nevent: runs\ndata:\n\n"


def test_a_topic_is_told_at_most_once_a_second(server: Client, cookie: str):
    with server.stream("GET", "/stream", headers={"cookie": cookie}) as stream:
        stream.read()
        doorbell.ring("alerts")
        stream.read()
        for _ in range(20):
            doorbell.ring("alerts")
        with pytest.raises(queue.Empty):
            stream.read(QUIET)
        # A subscription that had to be made anew rings everything, so there may be other topics beside it.
        assert stream.read().count(b"event: alerts\ndata:\n\n") == 1
        with pytest.raises(queue.Empty):
            stream.read(QUIET)


@pytest.mark.usefixtures("quickly")
def test_a_quiet_stream_says_that_it_is_there(server: Client, cookie: str):
    with server.stream("GET", "/stream", headers={"cookie": cookie}) as stream:
        assert [stream.read(), stream.read(), stream.read()] == [
            module.LISTENING,
            module.STILL_HERE,
            module.STILL_HERE,
        ]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("end", ["closed account", "other password", "session"])
def test_it_ends_when_the_permission_does(server: Client, cookie: str, carol: User, end: str):
    with server.stream("GET", "/stream", headers={"cookie": cookie}) as stream:
        stream.read()
        match end:
            case "closed account":
                User.objects.filter(pk=carol.pk).update(is_active=False)
            case "other password":
                carol.set_password("another one, quite long")
                carol.save(update_fields=["password"])
            case "session":
                from django.contrib.sessions.models import Session

                Session.objects.all().delete()
        while stream.read() is not None:
            pass
        assert stream.answer.status == 200


@pytest.mark.parametrize("given", ["", "sessionid=", "sessionid=nonsense", "other=1"])
def test_a_stranger_is_401(server: Client, given: str):
    answer = server.get("/stream", cookie=given)
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")


@pytest.mark.parametrize(
    "headers",
    [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}],
)
def test_another_sites_page_is_403(server: Client, cookie: str, headers: dict[str, str]):
    assert server.request("GET", "/stream", headers={"cookie": cookie, **headers}).status == 403


def test_a_token_opens_no_stream(server: Client):
    assert server.get("/stream", authorization="Bearer sa_test").status == 401


def test_a_page_that_is_closed_leaves_nothing_behind(server: Client, cookie: str):
    async def tasks() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks()}

    with server.stream("GET", "/stream", headers={"cookie": cookie}) as stream:
        stream.read()
        assert "doorbell" in server.run(tasks())
    assert "doorbell" not in server.run(tasks())
