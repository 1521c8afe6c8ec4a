"""Deadlines: connections that are cut under whoever reads them."""

import socket
import threading
from collections.abc import Iterator

import pytest

from routing.deadlines import Deadline


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def test_a_reader_is_let_go_at_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    deadline = Deadline(0.05)
    deadline.watch(pair[0])
    assert pair[0].recv(1) == b""
    assert deadline.over
    deadline.close()


def test_a_connection_is_cut_also_where_tls_took_its_socket(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    deadline = Deadline(0.05)
    deadline.watch(ours)
    with socket.socket(ours.family, ours.type, fileno=ours.detach()) as taken:
        taken.settimeout(10)
        assert taken.recv(1) == b""
    deadline.close()


def test_the_nearer_deadline_comes_first(pair: tuple[socket.socket, socket.socket]) -> None:
    far, near = Deadline(60), Deadline(0.05)
    far.watch(pair[0])
    near.watch(pair[1])
    assert pair[1].recv(1) == b""
    far.close()
    near.close()


def test_what_is_closed_in_time_is_not_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    closed, later = Deadline(0.05), Deadline(0.1)
    closed.watch(ours)
    closed.close()
    other, peer = socket.socketpair()
    with other, peer:
        later.watch(other)
        assert other.recv(1) == b""
        later.close()
    theirs.send(b"x")
    assert ours.recv(1) == b"x"


def test_one_thread_watches_all(pair: tuple[socket.socket, socket.socket]) -> None:
    deadlines = [Deadline(60) for _ in range(3)]
    for deadline in deadlines:
        deadline.watch(pair[0])
    assert [thread.name for thread in threading.enumerate()].count("deadlines") == 1
    for deadline in deadlines:
        deadline.close()
