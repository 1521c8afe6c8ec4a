import asyncio
import threading
from datetime import timedelta

import pytest

from routing.admission import Sender
from routing.api import tokens
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.tokens import TTL, UNBOUND_TTL, Senders, bearer, find, told
from tests import build

ROLES = frozenset({"sensor", "admin"})
BOUND = Sender(1, "node-1", "sensor", "node-1")


class Book:
    """Stands for the table of tokens; counts how often it is asked."""

    def __init__(self, **known: Sender | None) -> None:
        self.known = known
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()

    def look_up(self, token: str) -> Sender | None:
        self.asked.append(token)
        assert self.open.wait(10)
        return self.known.get(token)


def run(book: Book, scenario) -> None:
    """Runs a scenario with the senders of a book and a clock that it may set."""
    now = [100.0]
    threads = Threads(2, "tokens")
    try:
        asyncio.run(scenario(Senders(threads, book.look_up, lambda: now[0]), now))
    finally:
        threads.stop()


def test_a_token_is_asked_for_once_in_four_seconds():
    book = Book(good=BOUND)

    async def scenario(senders, now):
        for later in (0, 1, TTL - 0.1, TTL + 0.1):
            now[0] = 100.0 + later
            assert await senders.sender("good", ROLES) == BOUND

    run(book, scenario)
    assert book.asked == ["good", "good"]
    assert TTL < 5


def test_a_revoked_token_is_refused_when_the_answer_is_old():
    book = Book(good=BOUND)

    async def scenario(senders, now):
        await senders.sender("good", ROLES)
        book.known.clear()
        now[0] += TTL
        with pytest.raises(Problem) as caught:
            await senders.sender("good", ROLES)
        assert caught.value.status == 401

    run(book, scenario)


def test_a_token_that_its_first_hello_may_bind_any_moment_is_asked_for_more_often():
    book = Book(new=Sender(1, "new", "sensor", ""))

    async def scenario(senders, now):
        await senders.sender("new", ROLES)
        book.known["new"] = BOUND
        now[0] += UNBOUND_TTL
        assert (await senders.sender("new", ROLES)).hostname == "node-1"

    run(book, scenario)


def test_wrong_tokens_are_remembered_too_and_simultaneous_questions_are_asked_once():
    book = Book()

    async def scenario(senders, now):
        book.open.clear()
        asking = [asyncio.create_task(senders.sender("wrong", ROLES)) for _ in range(20)]
        await asyncio.sleep(0)
        book.open.set()
        refused = await asyncio.gather(*asking, return_exceptions=True)
        assert {problem.status for problem in refused} == {401}
        with pytest.raises(Problem):
            await senders.sender("wrong", ROLES)

    run(book, scenario)
    assert book.asked == ["wrong"]


def test_the_memory_for_tokens_is_bounded(monkeypatch):
    monkeypatch.setattr(tokens, "KNOWN", 3)
    book = Book()

    async def scenario(senders, now):
        for number in (1, 2, 3, 4, 4, 3, 1):
            with pytest.raises(Problem):
                await senders.sender(f"wrong-{number}", ROLES)

    run(book, scenario)
    assert book.asked == ["wrong-1", "wrong-2", "wrong-3", "wrong-4", "wrong-1"]


@pytest.mark.parametrize("token", ["", "x" * 257])
def test_what_can_be_no_token_is_not_asked_for(token):
    book = Book()

    async def scenario(senders, now):
        with pytest.raises(Problem):
            await senders.sender(token, ROLES)

    run(book, scenario)
    assert book.asked == []


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer sa_x", "sa_x"), ("bearer  sa_x ", "sa_x"), ("Basic sa_x", ""), ("sa_x", ""), ("", ""), ("Bearer", "")],
)
def test_the_bearer_header_is_read_as_rfc_6750_writes_it(header, token):
    assert bearer(header) == token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"authorization": "Bearer sa_x", "x-sensorapp-token": "sa_y"}, "sa_x"),
        ({"authorization": "Basic sa_x", "x-sensorapp-token": " sa_y "}, "sa_y"),
        ({"x-sensorapp-token": "sa_y"}, "sa_y"),
        ({}, ""),
    ],
)
def test_a_posts_token_is_the_bearers_or_else_in_our_own_header(headers, token):
    assert told(headers) == token


@pytest.mark.django_db
def test_a_live_token_is_found_and_its_use_noted_once_a_minute():
    stored = build.token(secret="sa_good")
    used = []
    for seconds in (0, 30, 61):
        assert find("sa_good", build.NOW + timedelta(seconds=seconds)) == stored
        stored.refresh_from_db()
        used.append((stored.last_used_at - build.NOW).total_seconds())
    assert used == [0, 0, 61]


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "sa_other", "sa_göod", "sa_revoked"])
def test_a_wrong_or_revoked_token_is_not_found(token):
    build.token(secret="sa_good")
    build.token(secret="sa_revoked", revoked_at=build.NOW)
    assert find(token, build.NOW) is None
