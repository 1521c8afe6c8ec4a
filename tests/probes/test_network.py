"""Sockets and duplicated descriptors on the running kernel."""

import errno
import socket
from pathlib import Path

import pytest

from sensor.event import Event, Fd
from tests.probes.conftest import Workload, of_type

LISTEN = """
import socket, ctypes
def listener(family=socket.AF_INET, address='127.0.0.1'):
    server = socket.socket(family)
    server.bind((address, 0))
    server.listen(8)
    return server
"""


def fd_of(event: Event) -> Fd:
    assert event.fd is not None
    return event.fd


def test_every_one_of_23_connections_is_reported_with_both_ends(workload: Workload) -> None:
    code = (
        LISTEN + "for n in range(23):\n    server = listener(); socket.create_connection(server.getsockname()).close()"
    )
    events = workload(code)
    connected = of_type(events, "connect")
    listening = of_type(events, "listen")
    assert len(connected) == 23
    for event, server in zip(connected, listening, strict=True):
        fd = fd_of(event)
        assert (fd.typechar, fd.l4proto, fd.is_server, fd.connected) == ("4", "tcp", False, True)
        assert (fd.cip, fd.sip, fd.sport) == ("127.0.0.1", "127.0.0.1", fd_of(server).sport)
        assert fd.name == f"127.0.0.1:{fd.cport}->127.0.0.1:{fd.sport}" == event.args["tuple"]
        assert event.args["addr"] == f"127.0.0.1:{fd.sport}"


@pytest.mark.parametrize(
    ("code", "result", "typechar", "sip", "connected"),
    [
        ("socket.socket().connect(('127.0.0.1', 1))", -errno.ECONNREFUSED, "4", "127.0.0.1", False),
        ("waitless.connect(here.getsockname())", -errno.EINPROGRESS, "4", "127.0.0.1", True),
        ("socket.socket(socket.AF_INET6).connect(six.getsockname())", 0, "6", "::1", True),
        ("socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', port))", 0, "4", "127.0.0.1", True),
        ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 53))", 0, "4", "127.0.0.1", True),
    ],
)  # fmt: skip
def test_where_a_connection_goes_is_told_however_it_ends(
    workload: Workload, code: str, result: int, typechar: str, sip: str, connected: bool
) -> None:
    prepared = (
        "here, six, waitless = listener(), listener(socket.AF_INET6, '::1'), socket.socket()\n"
        "port = here.getsockname()[1]\n"
    )
    tried = f"waitless.setblocking(False)\ntry:\n    {code}\nexcept OSError: pass"
    (event,) = of_type(workload(LISTEN + prepared + tried), "connect")
    fd = fd_of(event)
    assert (event.res, fd.typechar, fd.sip, fd.connected) == (result, typechar, sip, connected)
    assert fd.l4proto == ("udp" if "DGRAM" in code else "tcp")


@pytest.mark.parametrize(("address", "told"), [("'gone.sock'", "gone.sock"), ("b'\\0hidden'", "@hidden")])
def test_a_unix_socket_is_told_by_its_path(workload: Workload, address: str, told: str) -> None:
    code = f"import socket\ntry:\n    socket.socket(socket.AF_UNIX).connect({address})\nexcept OSError: pass"
    (event,) = of_type(workload(code), "connect")
    assert (fd_of(event).typechar, fd_of(event).name, event.args["addr"]) == ("u", told, told)


def test_connecting_something_that_is_no_socket_is_told_as_it_is(workload: Workload) -> None:
    code = (
        "import ctypes, socket, struct\n"
        "fd = os.open('/etc/hostname', 0)\n"
        "address = struct.pack('=HH4s8x', 2, socket.htons(80), b'\\x0a\\0\\0\\1')\n"
        "ctypes.CDLL(None).connect(fd, address, 16)\n"
    )
    (event,) = of_type(workload(code), "connect")
    assert (event.res, event.args["addr"]) == (-errno.ENOTSOCK, "10.0.0.1:80")


def test_the_accepting_end_is_the_server_also_after_it_was_duplicated(workload: Workload) -> None:
    events = workload(
        f"{LISTEN}\nserver = listener()\nclient = socket.create_connection(server.getsockname())\n"
        "accepted, _ = server.accept()\n"
        "os.dup2(accepted.fileno(), 0)\nos.dup2(client.fileno(), 1)\n"
    )
    (accepted,) = of_type(events, "accept", "accept4")
    (connected,) = of_type(events, "connect")
    doubled = {event.args["newfd"]: fd_of(event) for event in of_type(events, "dup2", "dup3")}
    assert fd_of(accepted).is_server is True
    assert doubled[0].is_server is True
    assert doubled[1].is_server is False
    assert {doubled[0].name, doubled[1].name, fd_of(accepted).name} == {fd_of(connected).name}


def test_a_shell_with_its_input_on_a_socket_is_seen_23_times(workload: Workload) -> None:
    code = LISTEN + (
        "server = listener()\nclient = socket.create_connection(server.getsockname())\n"
        "for n in range(23): os.dup2(client.fileno(), 0)\n"
    )
    doubled = of_type(workload(code), "dup2", "dup3")
    assert len(doubled) == 23
    assert {(event.res, fd_of(event).num, fd_of(event).typechar, fd_of(event).l4proto) for event in doubled} == {
        (0, 0, "4", "tcp")
    }


def test_a_duplicated_file_is_told_by_its_path(workload: Workload, tmp_path: Path) -> None:
    events = workload("import ctypes\nfd = os.open('f', os.O_CREAT)\nctypes.CDLL(None).dup(fd)\nos.dup2(fd, 77, False)")
    doubled = of_type(events, "dup", "dup2", "dup3")
    assert [fd_of(event).name for event in doubled] == [str(tmp_path / "f")] * 2
    assert fd_of(doubled[1]).num == doubled[1].args["newfd"] == 77


def test_a_descriptor_that_is_not_open_is_an_error_not_a_crash(workload: Workload) -> None:
    (event,) = of_type(workload("try:\n    os.dup2(999, 1)\nexcept OSError: pass"), "dup2", "dup3")
    assert event.res == -errno.EBADF


def test_sockets_are_told_from_their_making(workload: Workload) -> None:
    code = f"{LISTEN}\nlistener()\nsocket.socket(socket.AF_UNIX)\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\n"
    events = workload(code)
    made = of_type(events, "socket")
    assert [(event.args["domain"], fd_of(event).typechar) for event in made] == [
        (socket.AF_INET, "4"),
        (socket.AF_UNIX, "u"),
        (socket.AF_NETLINK, "n"),
    ]
    (bound,), (listening,) = of_type(events, "bind"), of_type(events, "listen")
    assert bound.args["addr"] == "127.0.0.1:0"
    assert fd_of(bound).name == fd_of(listening).name == f"127.0.0.1:{fd_of(listening).sport}"
    assert listening.args["backlog"] == 8
