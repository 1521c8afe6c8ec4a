"""Syslog against real receivers: UDP, TCP and TLS readers that take frames apart as RFC 6587 has it."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from routing.sinks import connection as connections
from routing.sinks import syslog
from routing.sinks.base import Verdict
from routing.sinks.syslog import MOST_BYTES, UNCONFIRMED, Syslog
from tests.routing.certificates import certificate
from tests.routing.sinks import samples


class Receiver:
    """Takes one connection on a thread and keeps the messages that came over it."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.context = context
        self.messages: list[str] = []
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self.listening.accept()
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while length := self._length(stream):
                    self.messages.append(stream.read(length).decode())

    def _length(self, stream) -> int:
        digits = b""
        while (byte := stream.read(1)).isdigit():
            digits += byte
        assert byte in (b"", b" ")
        return int(digits or 0)

    def end(self) -> list[str]:
        self.thread.join(10)
        self.listening.close()
        return self.messages


def sender(port: int, **options: object) -> Syslog:
    return Syslog({**samples.options("syslog", ""), "port": port, **options})


@pytest.mark.parametrize("held", ["text", "json", "cef"])
def test_a_message_is_the_one_in_the_fixture(held: str) -> None:
    receiver = Receiver()
    outcome = sender(receiver.port, format=held).deliver(samples.message())
    assert (outcome.verdict, outcome.error, outcome.response) == (Verdict.SENT, "", UNCONFIRMED)
    assert receiver.end() == [samples.golden("syslog", held)]


def test_every_alert_is_a_message_and_lengths_count_bytes() -> None:
    receiver = Receiver()
    alerts = [samples.alert(output=f"ü€😀 {number}\nsecond line") for number in range(3)]
    sender(receiver.port).deliver(samples.message("firing", *alerts))
    messages = receiver.end()
    assert [message.rpartition(" second line")[0][-1] for message in messages] == ["0", "1", "2"]
    assert all(" - firing - \ufeffRead" in message for message in messages)


@pytest.mark.parametrize("held", ["text", "json", "cef"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("letter", ["x", "\x01", "漢", "😀", '"'])
def test_the_largest_alert_is_cut_to_what_receivers_take(held: str, transport: str, letter: str) -> None:
    alert = replace(samples.enormous().newest, rule=letter * 255, source=letter * 64, hostname=letter * 255)
    line = sender(1, format=held, transport=transport).line("acknowledged", alert)
    assert len(line.encode()) <= MOST_BYTES[transport]
    assert line.isprintable() or held == "text"
    if held == "json":
        json.loads(line.split(" - acknowledged - ")[1])


def test_a_hostname_cannot_add_a_field_to_the_header() -> None:
    line = sender(1).line("firing", samples.alert(hostname="node 7\nü"))
    assert line.startswith("<84>1 2026-11-23T12:00:00+00:00 node7 sensorapp - firing - ")
    assert " - sensorapp - firing - " in sender(1).line("firing", samples.alert(hostname=""))


def test_datagrams_hold_one_message_each() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        message = samples.message("firing", samples.alert(output="one"), samples.alert(output="two"))
        outcome = sender(port, host="127.0.0.1", transport="udp").deliver(message)
        got = [receiver.recv(65536).decode() for _ in range(2)]
    assert (outcome.verdict, outcome.response) == (Verdict.SENT, UNCONFIRMED)
    assert ["one" in got[0], "two" in got[1]] == [True, True]


def test_a_datagram_that_nobody_listens_for_is_tried_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    outcome = sender(port, host="127.0.0.1", transport="udp").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "nothing listens" in outcome.error


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "localhost")


@pytest.fixture
def encrypted(chain: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)
    return context


def test_tls_trusts_the_certificates_that_are_given(chain: tuple[Path, Path], encrypted: ssl.SSLContext) -> None:
    receiver = Receiver(encrypted)
    tried = sender(receiver.port, transport="tls", certificates=chain[0].read_text(encoding="ascii"))
    assert tried.deliver(samples.message()).verdict is Verdict.SENT
    assert len(receiver.end()) == 1


def test_a_stranger_gets_nothing(encrypted: ssl.SSLContext) -> None:
    receiver = Receiver(encrypted)
    outcome = sender(receiver.port, transport="tls").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "certificate" in outcome.error
    assert receiver.end() == []


def test_a_receiver_that_wants_a_certificate_of_ours_did_not_take_it(
    taken: socket.socket, chain: tuple[Path, Path], encrypted: ssl.SSLContext
) -> None:
    encrypted.verify_mode = ssl.CERT_REQUIRED
    encrypted.load_verify_locations(chain[0])

    def refuse() -> None:
        plain, _ = taken.accept()
        with encrypted.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection:
            with suppress(ssl.SSLError):
                connection.do_handshake()
            # Whatever else comes is read, so that the refusal is the alert and not a reset.
            with suppress(OSError):
                while socket.socket.recv(connection, 65536):
                    continue

    thread = threading.Thread(target=refuse)
    thread.start()
    tried = sender(taken.getsockname()[1], transport="tls", certificates=chain[0].read_text(encoding="ascii"))
    assert tried.deliver(samples.message()).verdict is Verdict.RETRY
    thread.join()


def test_certificates_that_are_none_are_said_to_be() -> None:
    with pytest.raises(ValueError, match="PEM"):
        sender(1, transport="tls", certificates="none")


def test_a_receiver_that_is_down_is_tried_again_and_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A receiver whose connections a test takes itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_connection_that_breaks_may_have_brought_it(taken: socket.socket) -> None:
    def break_one() -> None:
        connection, _ = taken.accept()
        connection.recv(1)
        # Closed with bytes unread: the peer gets a reset.
        connection.close()

    thread = threading.Thread(target=break_one)
    thread.start()
    outcome = sender(taken.getsockname()[1]).deliver(samples.message())
    thread.join()
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)


def test_a_receiver_that_keeps_the_connection_open_is_not_waited_for(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "GOODBYE", 0.05)
    assert sender(taken.getsockname()[1]).deliver(samples.message()).verdict is Verdict.SENT


def test_a_receiver_that_never_stops_talking_is_cut_off(taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TOTAL", 0.1)

    def talk() -> None:
        connection, _ = taken.accept()
        with connection, suppress(OSError):
            while True:
                connection.sendall(b"more ")

    thread = threading.Thread(target=talk)
    thread.start()
    sender(taken.getsockname()[1]).deliver(samples.message())
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_private_address_is_refused(settings, transport: str) -> None:
    settings.OUTBOUND_ALLOW = []
    outcome = sender(514, transport=transport).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error
