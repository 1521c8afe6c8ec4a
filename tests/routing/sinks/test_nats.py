"""NATS JetStream against the distribution's server."""

import base64
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from routing.claims import LEASE
from routing.outbound import CONNECT_SECONDS
from routing.sinks import connection, nats, nkeys
from routing.sinks.base import Outcome, Verdict
from routing.sinks.nats import Nats
from tests.routing.certificates import certificate
from tests.routing.sinks import samples
from tests.services import free_port

PASSWORD = "password-that-nobody-may-see"
TOKEN = "token-that-nobody-may-see"
SEED = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
MAY_ASK = 'permissions: {publish: ["sensorapp.>", "$JS.API.>"], subscribe: ["_INBOX.>"]}'
USERS = f"""
authorization {{ users: [
  {{user: sensorapp, password: {PASSWORD}, {MAY_ASK}}}
  {{nkey: {nkeys.key(SEED).public}, {MAY_ASK}}}
  {{user: reader, password: {PASSWORD}, permissions: {{publish: "nothing", subscribe: "_INBOX.>"}}}}
] }}
"""


@contextmanager
def server(folder: Path, settings: str = "") -> Iterator[int]:
    """A server with JetStream; yields its port."""
    port = free_port()
    file = folder / "nats.conf"
    file.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{store_dir: "{folder}", max_mem: 64M, max_file: 64M}}\n{settings}\n'
    )
    process = subprocess.Popen(["nats-server", "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)):
                assert process.poll() is None, "nats-server did not start"
                assert time.monotonic() < until, "nats-server did not listen"
                time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with server(tmp_path_factory.mktemp("nats"), USERS) as found:
        yield found


class Stream:
    """Makes and reads a stream, through the sink's own conversation."""

    def __init__(self, port: int, **options: object) -> None:
        self._options = {"servers": f"127.0.0.1:{port}", "tls": False, "username": "sensorapp", "password": PASSWORD}
        self._options |= options

    def ask(self, what: str, **said: object) -> dict[str, Any]:
        """A request of JetStream's own interface."""
        asking = Nats(self._options)
        with nats.ExitStack() as stack:
            talk = asking._server(stack)
            talk.sign_in(asking._identity(talk.nonce), tls=asking.config.tls)
            found: dict[str, Any] = orjson.loads(
                talk.publish(f"$JS.API.{what}", b"NATS/1.0\r\n\r\n", orjson.dumps(said) if said else b"")
            )
        return found

    def create(self, name: str = "ALERTS", **options: object) -> None:
        made = self.ask(f"STREAM.CREATE.{name}", name=name, subjects=["sensorapp.>"], storage="memory", **options)
        assert "error" not in made, made

    def delete(self, name: str = "ALERTS") -> None:
        self.ask(f"STREAM.DELETE.{name}")

    def state(self, name: str) -> int:
        """How many `messages` it holds, or `bytes`."""
        found: int = self.ask("STREAM.INFO.ALERTS")["state"][name]
        return found

    def message(self, sequence: int) -> tuple[str, bytes]:
        """Headers and body."""
        found = self.ask("STREAM.MSG.GET.ALERTS", seq=sequence)["message"]
        return base64.b64decode(found["hdrs"]).decode(), base64.b64decode(found["data"])


@pytest.fixture
def stream(port: int) -> Iterator[Stream]:
    found = Stream(port)
    found.create()
    yield found
    found.delete()


def sender(port: int, **options: object) -> Nats:
    return Nats({**samples.options("nats", f"127.0.0.1:{port}"), **options})


@pytest.mark.parametrize("event", samples.EVENTS)
def test_a_message_is_the_one_in_the_fixture(stream: Stream, port: int, event: str) -> None:
    outcome = sender(port).deliver(samples.message(event))
    assert (outcome.verdict, outcome.error, outcome.response) == (Verdict.SENT, "", "stream ALERTS, sequence 1")
    headers, body = stream.message(1)
    assert headers.split("\r\n")[1:3] == [f"Nats-Msg-Id: {samples.DELIVERY}", f"Type: alerts.{event}"]
    assert json.loads(body) == samples.golden("webhook", event)


def test_a_repeated_delivery_is_stored_once(stream: Stream, port: int) -> None:
    sender(port).deliver(samples.message())
    again = sender(port).deliver(samples.message())
    assert (again.verdict, again.response) == (Verdict.SENT, "stream ALERTS, sequence 1, which had it already")
    assert stream.state("messages") == 1


def test_the_largest_message_is_cut_and_stored(stream: Stream, port: int) -> None:
    assert sender(port).deliver(samples.enormous()).verdict is Verdict.SENT
    assert 1000 < stream.state("bytes") <= nats.MOST_BYTES


def test_a_server_that_takes_less_gets_less(tmp_path: Path) -> None:
    with server(tmp_path, "max_payload: 16KB") as port:
        stream = Stream(port)
        stream.create()
        assert sender(port).deliver(samples.enormous()).verdict is Verdict.SENT
        headers, body = stream.message(1)
        assert 1000 < len(headers) + len(body) <= 16 * 1024


def test_a_subject_that_no_stream_listens_to_is_tried_again(stream: Stream, port: int) -> None:
    stream.delete()
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "No stream listens to sensorapp.alerts; create one" in outcome.error


@pytest.mark.parametrize(
    ("options", "verdict", "words"),
    [
        ({"max_msg_size": 100}, Verdict.FAILED, "message size exceeds maximum"),
        ({"max_msgs": 1, "discard": "new"}, Verdict.RETRY, "maximum messages exceeded"),
    ],
)
def test_what_the_stream_does_not_take_is_said(
    stream: Stream, port: int, options: dict[str, object], verdict: Verdict, words: str
) -> None:
    stream.delete()
    stream.create(**options)
    sender(port).deliver(samples.message())
    outcome = sender(port).deliver(samples.message(delivery=samples.alert().uuid))
    assert (outcome.verdict, outcome.arrived) == (verdict, False)
    assert words in outcome.error


def test_another_stream_than_the_one_that_must_listen_fails(stream: Stream, port: int) -> None:
    assert sender(port, stream="ALERTS").deliver(samples.message()).verdict is Verdict.SENT
    outcome = sender(port, stream="OTHER").deliver(samples.message(delivery=samples.alert().uuid))
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "stream does not match" in outcome.error


@pytest.mark.parametrize(
    "options",
    [
        {"password": "wrong"},
        {"username": ""},
        {"token": TOKEN},
        {"username": "reader"},
        {"nkey_seed": nkeys._encoded(bytes([18 << 3 | 5, 0, *range(1, 33)]))},
    ],
    ids=str,
)
def test_what_the_user_may_not_do_is_a_matter_of_credentials(
    stream: Stream, port: int, options: dict[str, object]
) -> None:
    outcome = sender(port, **options).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "the user may publish to the subject and subscribe to _INBOX.>" in outcome.error
    assert PASSWORD not in repr(outcome) + outcome.request + outcome.response
    assert stream.state("messages") == 0


def test_an_nkey_signs_in(stream: Stream, port: int) -> None:
    outcome = sender(port, username="", password="", nkey_seed=SEED).deliver(samples.message())
    assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")


def test_a_token_signs_in(tmp_path: Path) -> None:
    with server(tmp_path, f"authorization {{ token: {TOKEN} }}") as port:
        Stream(port, username="", token=TOKEN).create()
        assert sender(port, token=TOKEN).deliver(samples.message()).verdict is Verdict.SENT
        assert sender(port, token="another-token").deliver(samples.message()).verdict is Verdict.CREDENTIALS


class Signer:
    """An operator's, account's or user's key, which signs for the next below it (docs.nats.io, "JWT")."""

    def __init__(self, letter: str) -> None:
        self._private = Ed25519PrivateKey.generate()
        raw = self._private.private_bytes_raw()
        kind = (ord(letter) - ord("A")) << 3
        self.public = nkeys._encoded(bytes([kind]) + self._private.public_key().public_bytes_raw())
        self.seed = nkeys._encoded(bytes([18 << 3 | kind >> 5, (kind & 31) << 3]) + raw)

    def says(self, about: "Signer", kind: str, **more: object) -> str:
        claims = {"jti": "1", "iat": 1, "iss": self.public, "sub": about.public, "name": kind}
        claims["nats"] = {"type": kind, "version": 2, **more}
        parts = [_base64(orjson.dumps(part)) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims)]
        signed = ".".join(parts)
        return f"{signed}.{_base64(self._private.sign(signed.encode()))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


FILE = """-----BEGIN NATS USER JWT-----
{}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{}
------END USER NKEY SEED------
"""


def test_a_credentials_file_signs_in(tmp_path: Path) -> None:
    operator, system, account, user, stranger = map(Signer, "OAAUU")
    unlimited = dict.fromkeys(("subs", "data", "payload", "conn"), -1)
    storing = unlimited | dict.fromkeys(("mem_storage", "disk_storage", "streams"), -1)
    accounts = ((system, unlimited), (account, storing))
    preload = {one.public: operator.says(one, "account", limits=limits) for one, limits in accounts}
    settings = (
        f"operator: {operator.says(operator, 'operator')}\nsystem_account: {system.public}\n"
        f"resolver: MEMORY\nresolver_preload: {json.dumps(preload)}"
    )
    issued = account.says(user, "user", subs=-1, data=-1, payload=-1)
    good, stolen = FILE.format(issued, user.seed), FILE.format(issued, stranger.seed)
    with server(tmp_path, settings) as port:
        Stream(port, username="", credentials=good).create()
        outcome = sender(port, credentials=good).deliver(samples.message())
        assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")
        assert sender(port, credentials=stolen).deliver(samples.message()).verdict is Verdict.CREDENTIALS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subject": "a b"}, "The subject is none"),
        ({"subject": "a\r\nPUB x 0"}, "The subject is none"),
        ({"subject": "alerts.*"}, "The subject is none"),
        ({"subject": ""}, "The subject is none"),
        ({"stream": "A\r\nX: y"}, "The stream's name is none"),
        ({"certificates": "none"}, "PEM"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        sender(4222, **options)


@pytest.mark.parametrize(
    ("options", "words"), [({"nkey_seed": "SUNNY"}, "NKey seed"), ({"credentials": "SUNNY"}, ".creds file")]
)
def test_a_key_that_is_none_is_a_matter_of_credentials_before_anything_is_sent(
    stream: Stream, port: int, options: dict[str, object], words: str
) -> None:
    outcome = sender(port, **options).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert words in outcome.error
    assert stream.state("messages") == 0


def test_a_private_server_is_refused(settings) -> None:
    settings.OUTBOUND_ALLOW = []
    outcome = sender(4222).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error


def test_a_server_that_is_down_is_tried_again_and_got_nothing() -> None:
    outcome = sender(free_port()).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "refuses connections" in outcome.error


def test_the_next_server_is_used_where_one_is_down(stream: Stream, port: int) -> None:
    servers = f"no-such-host.invalid, 127.0.0.1:{free_port()}, 127.0.0.1:{port}"
    assert sender(port, servers=servers).deliver(samples.message()).verdict is Verdict.SENT


def test_all_waiting_together_is_shorter_than_a_claim_on_a_delivery() -> None:
    assert LEASE.total_seconds() > nats.SEEK_SECONDS + CONNECT_SECONDS + connection.TOTAL


def test_tls_begins_after_the_greeting_and_checks_the_certificate(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path, "localhost")
    trusted = {"tls": True, "certificates": chain.read_text()}
    with server(tmp_path, f'tls {{cert_file: "{chain}", key_file: "{key}"}}') as port:
        Stream(port, servers=f"localhost:{port}", **trusted).create()

        def told(host: str, **options: object) -> Outcome:
            return sender(port, servers=f"{host}:{port}", **options).deliver(samples.message())

        assert told("localhost", **trusted).verdict is Verdict.SENT
        for refused in (told("localhost", tls=True), told("127.0.0.1", **trusted)):
            assert (refused.verdict, refused.arrived) == (Verdict.RETRY, False)
            assert "certificate" in refused.error
        open_ = told("localhost", tls=False)
        assert (open_.verdict, open_.error) == (Verdict.CREDENTIALS, "localhost asks for TLS; switch it on")


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that says these things, each after it heard something, and then hangs up; and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                for number, answer in enumerate(answers):
                    if number:
                        heard.append(connection.recv(65536))
                    connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65536):
                    heard.append(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join()


INFO = b'INFO {"max_payload": 1048576}\r\n'


def test_a_password_is_not_said_where_tls_is_wanted_and_not_offered() -> None:
    with answering(INFO) as (port, heard):
        outcome = sender(port, tls=True).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "does not offer TLS" in outcome.error
    assert heard == []


@pytest.mark.parametrize(
    ("answers", "verdict", "arrived"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n"], Verdict.RETRY, False),
        ([b"INFO nothing\r\n"], Verdict.RETRY, False),
        ([b"x" * 70_000], Verdict.RETRY, False),
        ([INFO + b"+OK\r\n"], Verdict.RETRY, False),
        ([INFO, b"-ERR 'Maximum Connections Exceeded'\r\n"], Verdict.RETRY, False),
        ([INFO, b"+OK\r\nPING\r\nPONG\r\n"], Verdict.RETRY, True),
        ([INFO, b"PONG\r\n", b"-ERR 'Maximum Payload Violation'\r\n"], Verdict.FAILED, False),
        ([INFO, b"PONG\r\n", b"MSG i 1 2\r\nhi\r\n"], Verdict.RETRY, True),
        ([INFO, b"PONG\r\n", b'MSG i 1 14\r\n{"error":"bad"}\r\n'], Verdict.RETRY, True),
        ([INFO, b"PONG\r\n", b"MSG i 1 99999999\r\n"], Verdict.RETRY, True),
        ([INFO, b"PONG\r\n", b"MSG\r\n"], Verdict.RETRY, True),
        ([INFO, b"PONG\r\n", b"HMSG i 1 many 5\r\nhello\r\n"], Verdict.RETRY, True),
    ],
)
def test_an_answer_that_is_none_is_tried_again(answers: list[bytes], verdict: Verdict, arrived: bool) -> None:
    with answering(*answers) as (port, _):
        outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (verdict, arrived)


def test_a_server_that_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TOTAL", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = sender(silent.getsockname()[1]).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "does not greet as a NATS server does" in outcome.error
