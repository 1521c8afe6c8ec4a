"""NATS JetStream: every message is published to a subject, and the stream that listens says that it has it.

docs.nats.io, "NATS protocol" and "JetStream wire API": a server greets with INFO, TLS begins after that, and a stream
answers to the reply subject of what it was sent. `Nats-Msg-Id` names the delivery: a stream leaves out what it has
seen within its duplicate window. docs/decisions/nats-without-its-library.md says why nats-py is not used.
"""

import re
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from secrets import token_hex

import orjson

from routing.kinds import Secret, option
from routing.outbound import AddressRefused, OutboundError
from routing.sinks import addresses, document, nkeys, places
from routing.sinks.base import Message, Outcome, Sender, Verdict
from routing.sinks.connection import check_certificates, opened

MOST_BYTES = 256 * 1024
"""Of a message, or less where the server says so; most take a megabyte."""
HEADER_BYTES = 1024
"""Room for the headers, which count as part of a message."""
MOST_LINE = 64 * 1024
"""Bytes of a line from the server; its greeting names every server of the cluster."""
SEEK_SECONDS = 10.0
"""After this no further server is tried, so that a claim on a delivery does not end meanwhile."""
_NAME = re.compile(r"[^\s*>.]+")
_SUBJECT = re.compile(rf"{_NAME.pattern}(?:\.{_NAME.pattern})*")
# How the server's errors begin that are about who we are and what we may do, in lower case.
# nats-server, "server/errors.json": message size exceeds maximum allowed, header size exceeds maximum allowed of 64k.
_OF_MESSAGE = {10054, 10097}
_CREDENTIALS = ("authorization violation", "permissions violation", "user authentication", "account authentication")


class Refused(Exception):
    """The server ended the conversation with an error, whose text this is."""


class NobodyListens(Exception):
    """No stream listens to the subject."""


class Nats(Sender):
    """Publishes messages to a stream."""

    kind = "nats"
    label = "NATS JetStream"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        servers: str = option(
            "Servers of the cluster, with commas between them; the first that answers is used.",
            label="Servers",
            placeholder="nats.example.com:4222",
            place=places.servers,
        )
        subject: str = option("A subject that a stream listens to.", label="Subject", default="sensorapp.alerts")
        stream: str = option("The stream that must listen; empty takes the one that does.", label="Stream", default="")
        tls: bool = option("Encrypt the connection.", label="TLS", default=True)
        certificates: str = option(
            "Certificates (PEM) to trust in place of the system's.",
            label="Trusted certificates",
            default="",
            multiline=True,
        )
        username: str = option("Empty where the server asks for none.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        token: Secret = option("In place of a user name.", label="Token", default=Secret(""))
        nkey_seed: Secret = option(
            "The seed of a user's NKey.", label="NKey seed", default=Secret(""), placeholder="SU…"
        )
        credentials: Secret = option(
            "All of a user's .creds file.", label="Credentials file", default=Secret(""), multiline=True
        )

        def __post_init__(self) -> None:
            # Either could smuggle in a command.
            if not _SUBJECT.fullmatch(self.subject):
                raise ValueError("The subject is none: names with dots between them, without blanks, * and >")
            if self.stream and not _NAME.fullmatch(self.stream):
                raise ValueError("The stream's name is none: it has no blanks, dots, * and >")
            check_certificates(self.certificates)

    def send(self, message: Message) -> Outcome:
        shown, published = "", False
        try:
            with ExitStack() as stack:
                server = self._server(stack)
                server.sign_in(self._identity(server.nonce), tls=self.config.tls)
                body = document.fitted(message, min(MOST_BYTES, server.most - HEADER_BYTES))
                shown = body.decode("utf-8", "replace")
                published = True
                answer = server.publish(self.config.subject, self._headers(message), body)
        except (AddressRefused, ValueError) as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), request=shown)
        except NobodyListens:
            text = f"No stream listens to {self.config.subject}; create one, and see that JetStream is on"
            return Outcome(Verdict.RETRY, text, request=shown)
        except Refused as error:
            return Outcome(*_refused(str(error)), request=shown, response=str(error))
        except OSError:
            text = "The server closed the connection or did not answer in time"
            return Outcome(Verdict.RETRY, text, arrived=published, request=shown)
        return _judged(answer, shown)

    def _headers(self, message: Message) -> bytes:
        lines = ["NATS/1.0", f"Nats-Msg-Id: {message.delivery}", f"Type: alerts.{message.event}"]
        if self.config.stream:
            lines.append(f"Nats-Expected-Stream: {self.config.stream}")
        return "\r\n".join([*lines, "", ""]).encode()

    def _server(self, stack: ExitStack) -> "_Server":
        """The first server that answers; raises OutboundError where none does, or one is refused."""
        until = time.monotonic() + SEEK_SECONDS
        problem = OutboundError("No server was tried")
        for host, port in addresses.listed(self.config.servers, 4222):
            if time.monotonic() > until:
                break
            server = _Server(host, tls=self.config.tls)
            try:
                server.connection = stack.enter_context(
                    opened(
                        host,
                        port,
                        tls=self.config.tls,
                        certificates=self.config.certificates,
                        greeted=server.greeted,
                    )
                )
            except AddressRefused:
                raise
            except OutboundError as error:
                problem = error
                continue
            return server
        raise problem

    def _identity(self, nonce: str) -> dict[str, str]:
        """What says who we are; raises ValueError where a key is none."""
        config = self.config
        if config.credentials:
            token, key = nkeys.credentials(config.credentials)
            return {"jwt": token, "sig": key.signed(nonce)}
        if config.nkey_seed:
            key = nkeys.key(config.nkey_seed)
            return {"nkey": key.public, "sig": key.signed(nonce)}
        if config.token:
            return {"auth_token": str(config.token)}
        return {"user": config.username, "pass": str(config.password)} if config.username else {}


class _Server:
    """A conversation with a server. What is not of the protocol is an OSError, as a broken connection is."""

    def __init__(self, host: str, *, tls: bool) -> None:
        self.connection: socket.socket
        self.nonce = ""
        self.most = MOST_BYTES
        self._host, self._tls = host, tls
        self._unread = b""

    def greeted(self, connection: socket.socket) -> None:
        """Read what the server says of itself. Raises OutboundError, also where it would not encrypt as we want."""
        self.connection = connection
        try:
            word, _, said = self._line().partition(b" ")
            info = orjson.loads(said) if word == b"INFO" else None
        except (OSError, orjson.JSONDecodeError):
            info = None
        if not isinstance(info, dict) or self._unread:
            raise OutboundError(f"{self._host} does not greet as a NATS server does; check the port")
        if self._tls and not (info.get("tls_required") or info.get("tls_available")):
            # Somebody on the way may have taken the offer out, to read the password.
            raise OutboundError(f"{self._host} does not offer TLS")
        if not self._tls and info.get("tls_required"):
            raise AddressRefused(f"{self._host} asks for TLS; switch it on")
        self.nonce = str(info.get("nonce", ""))
        most = info.get("max_payload")
        self.most = most if isinstance(most, int) else MOST_BYTES

    def sign_in(self, identity: Mapping[str, str], *, tls: bool) -> None:
        """Raises Refused."""
        about = {"lang": "python", "version": "1", "name": "sensorapp", "protocol": 1, "tls_required": tls}
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, **about, **identity}
        self.connection.sendall(b"CONNECT %b\r\nPING\r\n" % orjson.dumps(options))
        while self._next()[0] != b"PONG":
            continue

    def publish(self, subject: str, headers: bytes, body: bytes) -> bytes:
        """What the stream answers; raises Refused and NobodyListens."""
        inbox = f"_INBOX.{token_hex(11)}"
        sizes = f"{len(headers)} {len(headers) + len(body)}"
        self.connection.sendall(
            f"SUB {inbox} 1\r\nHPUB {subject} {inbox} {sizes}\r\n".encode() + headers + body + b"\r\n"
        )
        while True:
            match self._next():
                case [b"MSG", _, _, *_, size]:
                    return self._payload(size)
                case [b"HMSG", _, _, *_, start, size]:
                    payload = self._payload(size)
                    if payload.startswith(b"NATS/1.0 503"):
                        raise NobodyListens
                    return payload[_size(start) :]

    def _next(self) -> list[bytes]:
        """The words of the next line that is for us."""
        while True:
            line = self._line()
            word = line.partition(b" ")[0].upper()
            if word == b"PING":
                self.connection.sendall(b"PONG\r\n")
            elif word == b"-ERR":
                raise Refused(line[5:].decode("utf-8", "replace").strip("' "))
            elif word not in (b"INFO", b"+OK"):
                return [word, *line.split()[1:]]

    def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            if len(self._unread) > MOST_LINE:
                raise ConnectionError("the line is too long")
            self._receive()
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    def _payload(self, length: bytes) -> bytes:
        size = _size(length)
        while len(self._unread) < size + 2:
            self._receive()
        payload, self._unread = self._unread[:size], self._unread[size + 2 :]
        return payload

    def _receive(self) -> None:
        data = self.connection.recv(MOST_LINE)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._unread += data


def _size(word: bytes) -> int:
    if not word.isdigit() or int(word) > MOST_LINE:
        raise ConnectionError("the answer is not a stream's")
    return int(word)


def _refused(said: str) -> tuple[Verdict, str]:
    lower = said.lower()
    if lower.startswith(_CREDENTIALS):
        may = "the user may publish to the subject and subscribe to _INBOX.>"
        return Verdict.CREDENTIALS, f"The server refuses the credentials: {said[:200]}; see that {may}"
    verdict = Verdict.FAILED if lower.startswith("maximum payload") else Verdict.RETRY
    return verdict, f"The server does not take the message: {said[:200]}"


def _judged(answer: bytes, shown: str) -> Outcome:
    """What the stream says about the message."""
    response = answer.decode("utf-8", "replace")
    try:
        said = orjson.loads(answer)
        error = said.get("error")
        if error is None:
            repeat = ", which had it already" if said.get("duplicate") else ""
            where = f"stream {said['stream']}, sequence {said['seq']}{repeat}"
            return Outcome(Verdict.SENT, request=shown, response=where)
        text = f"The stream does not take the message: {error['description'][:200]} ({error['code']})"
        if error.get("err_code") in _OF_MESSAGE:
            return Outcome(Verdict.FAILED, text, request=shown, response=response)
        # A stream that is full, or has no leader, may take it later; else it is another one than the sink says.
        verdict = Verdict.RETRY if error["code"] >= 500 else Verdict.CREDENTIALS
        return Outcome(verdict, text, request=shown, response=response)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        text = "The answer is not a stream's; something else listens to the subject"
        return Outcome(Verdict.RETRY, text, arrived=True, request=shown, response=response)
