"""Connections for sinks that do not speak HTTP."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from routing.outbound import OutboundError
from routing.sinks import connection
from routing.sinks.connection import opened
from tests.routing.certificates import certificate


class Receiver:
    """Greets in the open, then goes on in TLS where it has a certificate, and repeats what it hears."""

    def __init__(self, chain: tuple[Path, Path] | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.ended = threading.Event()
        self.chain = chain
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            peer, _ = self.listening.accept()
            peer.sendall(b"hello")
            if self.chain is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.chain)
                peer = context.wrap_socket(peer, server_side=True)
            with peer:
                while data := peer.recv(100):
                    peer.sendall(data)
        self.ended.set()


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "localhost")


def hear(peer: socket.socket) -> None:
    assert peer.recv(5) == b"hello"


@pytest.fixture
def plain() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.listening.close()
    receiver.thread.join()


def test_a_greeting_is_read_before_encryption_begins(chain: tuple[Path, Path]) -> None:
    receiver = Receiver(chain)
    trusted = chain[0].read_text()
    with opened("localhost", receiver.port, tls=True, certificates=trusted, greeted=hear) as peer:
        assert isinstance(peer, ssl.SSLSocket)
        peer.sendall(b"secret")
        assert peer.recv(6) == b"secret"
    receiver.thread.join()
    receiver.listening.close()


def test_a_greeting_that_will_not_do_ends_the_connection(plain: Receiver) -> None:
    def refuse(peer: socket.socket) -> None:
        raise OutboundError("not you")

    with pytest.raises(OutboundError, match="not you"), opened("127.0.0.1", plain.port, tls=False, greeted=refuse):
        pytest.fail("it was opened")
    assert plain.ended.wait(5)


def test_a_certificate_that_is_not_trusted_is_said(chain: tuple[Path, Path]) -> None:
    receiver = Receiver(chain)
    with (
        pytest.raises(OutboundError, match="certificate of localhost is not trusted"),
        opened("localhost", receiver.port, tls=True, greeted=hear),
    ):
        pytest.fail("it was opened")
    receiver.thread.join()
    receiver.listening.close()


@pytest.mark.parametrize("encrypted", [False, True])
def test_everything_together_has_its_time(
    encrypted: bool, chain: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TOTAL", 0.2)
    receiver = Receiver(chain if encrypted else None)
    trusted = chain[0].read_text()
    started = time.monotonic()
    with (
        opened("localhost", receiver.port, tls=encrypted, certificates=trusted, greeted=hear) as peer,
        suppress(OSError),
    ):
        assert peer.recv(1) == b""
    assert 0.1 < time.monotonic() - started < connection.SECONDS
    receiver.thread.join()
    receiver.listening.close()


def test_tls_that_drips_in_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TOTAL", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            peer, _ = listening.accept()
            with peer, suppress(OSError):
                # A record of the handshake that promises 500 bytes.
                for byte in b"\x16\x03\x03\x01\xf4" + b"\x02" * 500:
                    peer.send(bytes([byte]))
                    time.sleep(0.02)

        dripping = threading.Thread(target=drip)
        dripping.start()
        started = time.monotonic()
        with (
            pytest.raises(OutboundError),
            opened("127.0.0.1", listening.getsockname()[1], tls=True),
        ):
            pytest.fail("it was opened")
        assert time.monotonic() - started < 2
        dripping.join()
