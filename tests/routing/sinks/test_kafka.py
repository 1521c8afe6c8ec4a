"""Kafka against librdkafka's own mock cluster."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from routing.claims import LEASE
from routing.sinks import kafka, librdkafka
from routing.sinks.base import Verdict
from routing.sinks.kafka import Kafka, judged
from routing.sinks.librdkafka import Failed
from tests.routing.certificates import certificate
from tests.routing.sinks import samples
from tests.routing.sinks.mock_kafka import PRODUCE, Cluster, cluster

PASSWORD = "password-that-nobody-may-see"


@pytest.fixture
def broker() -> Iterator[Cluster]:
    with cluster() as found:
        yield found
        kafka._kept.drop()


def sender(brokers: str, **options: object) -> Kafka:
    return Kafka({**samples.options("kafka", brokers), **options})


@pytest.mark.parametrize("event", samples.EVENTS)
def test_a_message_is_the_record_in_the_fixture(broker: Cluster, event: str) -> None:
    outcome = sender(broker.brokers).deliver(samples.message(event))
    assert (outcome.verdict, outcome.error, outcome.response) == (Verdict.SENT, "", "partition 0, offset 0")
    (record,) = broker.records()
    assert json.loads(record.value() or b"") == samples.golden("webhook", event)
    assert record.headers() == [
        ("delivery", str(samples.DELIVERY).encode()),
        ("type", f"alerts.{event}".encode()),
    ]


def test_messages_about_one_group_have_one_key_and_others_another(broker: Cluster) -> None:
    tried = sender(broker.brokers)
    for key in ("3:0d6e", "3:0d6e", "3:ffff"):
        message = samples.message()
        group = message.group.__class__(**{**vars(message.group), "key": key})
        assert tried.deliver(samples.message(group=group)).verdict is Verdict.SENT
    keys = [record.key() for record in broker.records()]
    assert keys[0] == keys[1] != keys[2]


def test_the_largest_message_is_cut_and_written(broker: Cluster) -> None:
    assert sender(broker.brokers).deliver(samples.enormous()).verdict is Verdict.SENT
    (record,) = broker.records()
    assert len(record.value() or b"") <= kafka.MOST_BYTES


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Verdict.CREDENTIALS),
        (KafkaError.MSG_SIZE_TOO_LARGE, Verdict.FAILED),
        (KafkaError.INVALID_RECORD, Verdict.FAILED),
    ],
)
def test_a_record_that_is_refused_says_why(broker: Cluster, error: int, verdict: Verdict) -> None:
    broker.refuse(PRODUCE, error)
    outcome = sender(broker.brokers).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (verdict, False)
    assert KafkaError(error).str() in outcome.error
    assert broker.records() == []


def test_what_passes_is_tried_again_by_the_library_and_written_once(broker: Cluster) -> None:
    broker.refuse(PRODUCE, KafkaError.NOT_ENOUGH_REPLICAS)
    assert sender(broker.brokers).deliver(samples.message()).verdict is Verdict.SENT
    assert len(broker.records()) == 1


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Verdict.RETRY, "has no topic sensorapp-alerts; create it"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Verdict.CREDENTIALS, "refuses the credentials"),
        (KafkaError.TOPIC_EXCEPTION, Verdict.CREDENTIALS, "must be mended"),
    ],
)
def test_a_topic_that_cannot_be_used_is_said(broker: Cluster, error: int, verdict: Verdict, words: str) -> None:
    broker.spoil(error)
    outcome = sender(broker.brokers).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (verdict, False)
    assert words in outcome.error


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("_AUTHENTICATION", Verdict.CREDENTIALS),
        ("SASL_AUTHENTICATION_FAILED", Verdict.CREDENTIALS),
        ("CLUSTER_AUTHORIZATION_FAILED", Verdict.CREDENTIALS),
        ("POLICY_VIOLATION", Verdict.CREDENTIALS),
        ("_MSG_TIMED_OUT", Verdict.RETRY),
        ("_TRANSPORT", Verdict.RETRY),
        ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", Verdict.RETRY),
        ("NOT_LEADER_FOR_PARTITION", Verdict.RETRY),
        ("KAFKA_STORAGE_ERROR", Verdict.RETRY),
        ("UNKNOWN", Verdict.RETRY),
    ],
)
def test_an_errors_meaning_is_that_of_its_name(name: str, verdict: Verdict) -> None:
    assert judged(Failed(name, "because"), "t")[0] is verdict


def test_every_name_in_the_lists_is_an_error_of_the_library() -> None:
    names = kafka._CREDENTIALS | kafka._TO_MEND | kafka._OF_RECORD | kafka._HOPELESS
    assert all(hasattr(KafkaError, name) for name in names)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_record_that_nobody_confirms_is_tried_again_and_may_have_arrived(
    broker: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "RECORD_SECONDS", 1.5)
    tried = sender(broker.brokers)
    assert tried.deliver(samples.message()).verdict is Verdict.SENT
    broker.slow_down(10_000)
    outcome = tried.deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)
    assert "timed out" in outcome.error


def test_a_record_whose_broker_cannot_be_reached_is_tried_again_and_did_not_arrive(
    broker: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "RECORD_SECONDS", 2.0)
    broker.claim_to_be_at("127.0.0.1", closed_port())
    outcome = sender(broker.brokers).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "Connection refused" in outcome.error


def test_a_cluster_that_is_down_is_tried_again_and_got_nothing() -> None:
    outcome = sender(f"127.0.0.1:{closed_port()}").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "Connection refused" in outcome.error


def test_a_name_that_is_not_found_is_said() -> None:
    outcome = sender("no-such-host.invalid").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "no-such-host.invalid:9092" in outcome.error


def test_a_broker_that_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "RECORD_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = sender(f"127.0.0.1:{silent.getsockname()[1]}").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "timed out" in outcome.error


def test_one_broker_of_several_is_enough(broker: Cluster) -> None:
    brokers = f"127.0.0.1:{closed_port()}, no-such-host.invalid:9092, {broker.brokers}"
    assert sender(brokers).deliver(samples.message()).verdict is Verdict.SENT


def test_all_waiting_together_is_shorter_than_a_claim_on_a_delivery() -> None:
    assert LEASE.total_seconds() > kafka.RECORD_SECONDS + 20


def test_a_private_broker_is_refused(broker: Cluster, settings) -> None:
    settings.OUTBOUND_ALLOW = []
    outcome = sender(broker.brokers).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error


@pytest.mark.parametrize(("family", "inside"), [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")])
def test_a_cluster_cannot_lead_to_a_private_broker(broker: Cluster, settings, family: int, inside: str) -> None:
    with socket.create_server((inside, 0), family=family) as listening:
        listening.settimeout(0.3)
        broker.claim_to_be_at(inside, listening.getsockname()[1])
        settings.OUTBOUND_ALLOW = ["127.0.0.1/32"]
        outcome = sender(broker.brokers).deliver(samples.message())
        assert outcome.verdict is Verdict.CREDENTIALS
        assert f"A broker is at {inside}, which is not a public address" in outcome.error
        assert "OUTBOUND_ALLOW" in outcome.error
        with pytest.raises(TimeoutError):
            listening.accept()


def test_brokers_without_a_port_have_the_usual_one() -> None:
    assert sender("a, [::1]:9")._settings()["bootstrap.servers"] == "a:9092,[::1]:9"
    assert sender("a", tls=True)._settings()["bootstrap.servers"] == "a:9093"


@pytest.mark.parametrize("sasl", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_cluster_that_lets_nobody_sign_in_is_a_matter_of_credentials(broker: Cluster, sasl: str) -> None:
    started = time.monotonic()
    outcome = sender(broker.brokers, sasl=sasl, username="sensorapp", password=PASSWORD).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert PASSWORD not in repr(outcome) + outcome.request + outcome.response
    # It asks once, so that nobody is locked out.
    assert time.monotonic() - started < kafka.RECONNECT_SECONDS


@pytest.mark.parametrize(
    ("options", "protocol"),
    [
        ({"tls": False}, "PLAINTEXT"),
        ({"tls": True}, "SSL"),
        ({"tls": False, "sasl": "PLAIN"}, "SASL_PLAINTEXT"),
        ({"tls": True, "sasl": "SCRAM-SHA-512"}, "SASL_SSL"),
    ],
)
def test_the_protocol_is_what_the_options_say(options: dict[str, object], protocol: str) -> None:
    assert sender("a", **options)._settings()["security.protocol"] == protocol


@contextmanager
def encrypted(brokers: str, context: ssl.SSLContext) -> Iterator[int]:
    """A port that takes TLS off and leads to a broker."""
    host, port = brokers.rsplit(":", 1)
    ends: list[socket.socket] = []

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                outside, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError):
                secure = context.wrap_socket(outside, server_side=True)
                inside = socket.create_connection((host, int(port)))
                ends.extend((secure, inside))
                for pair in ((secure, inside), (inside, secure)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for end in ends:
                end.close()


@pytest.fixture
def secure(broker: Cluster, tmp_path: Path) -> Iterator[tuple[int, str]]:
    """The port of an encrypted broker, and the certificate to trust."""
    chain, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with encrypted(broker.brokers, context) as port:
        broker.claim_to_be_at("localhost", port)
        yield port, chain.read_text()
        kafka._kept.drop()


def test_tls_reaches_a_broker_whose_certificate_is_trusted(broker: Cluster, secure: tuple[int, str]) -> None:
    port, trusted = secure
    outcome = sender(f"localhost:{port}", tls=True, certificates=trusted).deliver(samples.message())
    assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")


@pytest.mark.parametrize(("host", "trusts"), [("localhost", False), ("127.0.0.1", True)])
def test_a_certificate_of_others_or_for_another_name_is_refused(
    secure: tuple[int, str], host: str, trusts: bool
) -> None:
    port, trusted = secure
    options = {"certificates": trusted} if trusts else {}
    outcome = sender(f"{host}:{port}", tls=True, **options).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "certificate" in outcome.error


def test_certificates_that_are_none_fail(broker: Cluster) -> None:
    with pytest.raises(ValueError, match="PEM"):
        sender(broker.brokers, tls=True, certificates="not PEM")
    outcome = sender(broker.brokers, tls=True, client_certificate="not PEM").deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "ssl.certificate.pem" in outcome.error


def test_a_producer_that_was_idle_for_long_is_not_used_again(broker: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = sender(broker.brokers)
    tried.deliver(samples.message())
    first = kafka._kept.last
    monkeypatch.setattr(kafka, "MOST_IDLE_SECONDS", 0.0)
    assert tried.deliver(samples.message()).verdict is Verdict.SENT
    assert kafka._kept.last is not first


def test_a_producer_is_kept_while_it_works_and_dropped_when_it_fails(broker: Cluster) -> None:
    tried = sender(broker.brokers)
    tried.deliver(samples.message())
    first = kafka._kept.last
    tried.deliver(samples.message())
    assert kafka._kept.last is first
    broker.refuse(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    tried.deliver(samples.message())
    assert kafka._kept.last is None
    assert not first._end.alive, "it goes on calling its brokers"


def test_a_library_that_is_not_there_is_said(broker: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "files", lambda name: [])
    monkeypatch.setattr(librdkafka, "find_library", lambda name: None)
    librdkafka.library.cache_clear()
    outcome = sender(broker.brokers).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "confluent-kafka is installed without librdkafka; install" in outcome.error
