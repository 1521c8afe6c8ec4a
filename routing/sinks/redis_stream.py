"""Redis stream: every message is an entry, for Redis and Valkey.

redis.io, "XADD" and "Redis serialization protocol specification": a command is an array of bulk strings; an error
starts with a minus sign and a word. Three commands do not need a library that would follow a server elsewhere. A
stream knows no repeats, so an entry names its delivery.
"""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader

from routing.kinds import Secret, option
from routing.outbound import AddressRefused, OutboundError
from routing.sinks import document, places
from routing.sinks.base import Message, Outcome, Sender, Verdict
from routing.sinks.connection import check_certificates, opened

MOST_BYTES = 256 * 1024
"""Of a message."""
MOST_ANSWER = 4096
"""Bytes of an answer; an entry's id has about twenty."""
_CREDENTIALS = {"NOAUTH", "WRONGPASS", "NOPERM"}
# A server that starts, is full, or has handed over to another, may take the entry later.
_PASSING = {"LOADING", "OOM", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "NOREPLICAS"}
# The entry itself: beyond proto-max-bulk-len, or what else the protocol's reader does not take.
_TOO_LARGE = re.compile("Protocol error|exceeds")


class Refused(Exception):
    """The server answered with an error; its text is the server's, which starts with a word for programs."""

    @property
    def word(self) -> str:
        return str(self).partition(" ")[0]


class RedisStream(Sender):
    """Adds messages to a stream."""

    kind = "redis_stream"
    label = "Redis stream"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        host: str = option("A Redis or Valkey.", label="Server", placeholder="redis.example.com", place=places.host)
        port: int = option("Usually 6379.", label="Port", default=6379, least=1, most=65_535, place=places.port)
        stream: str = option("The stream's key.", label="Stream", default="sensorapp:alerts")
        most: int = option(
            "About how many entries the stream keeps; 0 keeps all.",
            label="Entries kept",
            default=100_000,
            least=0,
            most=1_000_000_000,
        )
        username: str = option("Empty for the default user.", label="User name", default="")
        password: Secret = option("Empty where it asks for none.", label="Password", default=Secret(""))
        database: int = option("The number of the database.", label="Database", default=0, least=0, most=1_000_000)
        tls: bool = option("Encrypt the connection.", label="TLS", default=False)
        certificates: str = option(
            "Certificates (PEM) to trust in place of the system's.",
            label="Trusted certificates",
            default="",
            multiline=True,
        )

        def __post_init__(self) -> None:
            check_certificates(self.certificates)

    def send(self, message: Message) -> Outcome:
        config = self.config
        body = document.fitted(message, MOST_BYTES)
        shown = body.decode("utf-8", "replace")
        added = False
        try:
            with (
                opened(config.host, int(config.port), tls=config.tls, certificates=config.certificates) as connection,
                connection.makefile("rb") as answers,
            ):
                for command in self._opening():
                    _asked(connection, answers, *command)
                added = True
                entry = _asked(connection, answers, *self._entry(message, body))
        except AddressRefused as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), request=shown)
        except Refused as error:
            return _refused(error, shown)
        except OSError:
            text = f"{config.host} closed the connection or did not answer in time"
            return Outcome(Verdict.RETRY, text, arrived=added, request=shown)
        return Outcome(Verdict.SENT, request=shown, response=entry)

    def _opening(self) -> list[tuple[str, ...]]:
        config = self.config
        commands: list[tuple[str, ...]] = []
        if config.password:
            commands.append(("AUTH", *([config.username] if config.username else []), str(config.password)))
        if config.database:
            commands.append(("SELECT", str(config.database)))
        return commands

    def _entry(self, message: Message, body: bytes) -> list[str | bytes]:
        limit = ["MAXLEN", "~", str(self.config.most)] if int(self.config.most) > 0 else []
        told = ["delivery", str(message.delivery), "type", f"alerts.{message.event}", "body"]
        return ["XADD", self.config.stream, *limit, "*", *told, body]


def _asked(connection: socket.socket, answers: BufferedReader, *command: str | bytes) -> str:
    """The answer to a command; raises Refused where it is an error, and OSError where it is none at all."""
    parts = [part if isinstance(part, bytes) else part.encode() for part in command]
    connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts))
    line = answers.readline(MOST_ANSWER)
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the answer was cut off")
    mark, said = line[:1], line[1:-2].decode("utf-8", "replace")
    if mark == b"-":
        raise Refused(said)
    if mark == b"+":
        return said
    if mark == b"$":
        with suppress(ValueError):
            if 0 <= int(said) <= MOST_ANSWER:
                text = answers.read(int(said) + 2)
                if text.endswith(b"\r\n"):
                    return text[:-2].decode("utf-8", "replace")
    raise ConnectionError("the answer is not Redis's")


def _refused(error: Refused, shown: str) -> Outcome:
    said = str(error)
    if error.word in _CREDENTIALS or "AUTH" in said:
        text = "The server refuses the user name or password, or lets this user not write to the stream"
        return Outcome(Verdict.CREDENTIALS, text, request=shown, response=said)
    if error.word in ("MOVED", "ASK"):
        text = f"The stream is on another node of the cluster; enter that node: {said}"
        return Outcome(Verdict.CREDENTIALS, text, request=shown, response=said)
    if _TOO_LARGE.search(said):
        verdict = Verdict.FAILED
    else:
        # The others are about the key, the database or the server: WRONGTYPE, an unknown command.
        verdict = Verdict.RETRY if error.word in _PASSING else Verdict.CREDENTIALS
    return Outcome(verdict, f"The server does not take the entry: {said[:200]}", request=shown, response=said)
