"""Kafka: every message is a record, keyed by its group, so that a group's messages stay in order.

librdkafka does the talking ("Introduction to librdkafka", "Configuration properties"): idempotent producer, all
in-sync replicas must have a record before it counts as sent. It dials on its own, so brokers are checked before it
may: those that are entered, and then those that the cluster names, for a cluster can name any address. Without TLS it
gets the checked addresses and no names. What is left is a cluster without TLS that names a host whose address
changes between check and call; with TLS such a host would need the name's certificate.
"""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routing.kinds import Secret, option
from routing.outbound import AddressRefused, OutboundError, dial_check
from routing.sinks import addresses, document
from routing.sinks.base import Message, Outcome, Sender, Verdict

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

MOST_BYTES = 256 * 1024
"""Of a record; brokers take about a megabyte unless they are told otherwise."""
# Together with name resolution they stay below the minute after which a claim on a delivery ends.
CLUSTER_SECONDS = 10.0
"""For reaching a broker, signing in and hearing of the topic."""
RECORD_SECONDS = 20.0
"""For a record, with the retries that the library makes."""
RECONNECT_SECONDS = 1.0
"""Between two calls of a broker; the library's usual twentieth of a second would lock an account out."""

# kafka.apache.org, "Kafka protocol guide", "Error codes"; librdkafka's own ones start with an underscore. What is in
# neither list may pass: leaders move, topics are made, replicas come back.
_CREDENTIALS = {
    "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
}
_FOR_GOOD = {
    "_INVALID_ARG",
    "MSG_SIZE_TOO_LARGE",
    "INVALID_MSG",
    "INVALID_MSG_SIZE",
    "INVALID_RECORD",
    "INVALID_REQUIRED_ACKS",
    "INVALID_TIMESTAMP",
    "POLICY_VIOLATION",
    "RECORD_LIST_TOO_LARGE",
    "TOPIC_EXCEPTION",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
}
# After these, waiting longer for the cluster is of no use.
_TELLING = {"_AUTHENTICATION", "_SSL", "_RESOLVE", "_ALL_BROKERS_DOWN"}


class Kafka(Sender):
    """Writes messages to a topic."""

    kind = "kafka"
    label = "Kafka"
    sends_acknowledged = True
    package = "confluent-kafka"

    @dataclass(frozen=True)
    class Config:
        brokers: str = option(
            "Some brokers of the cluster, with commas between them.",
            label="Brokers",
            placeholder="kafka-1.example.com:9093, kafka-2.example.com:9093",
        )
        topic: str = option("The topic, which must exist.", label="Topic", default="sensorapp-alerts")
        tls: bool = option("Encrypt the connections.", label="TLS", default=True)
        certificates: str = option(
            "Certificates (PEM) to trust in place of the system's.",
            label="Trusted certificates",
            default="",
            multiline=True,
        )
        sasl: str = option(
            "How to sign in with a user name and password.",
            label="SASL",
            default="none",
            choices=("none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        )
        username: str = option("For SASL.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        client_certificate: str = option(
            "A certificate (PEM) to sign in with over TLS.", label="Client certificate", default="", multiline=True
        )
        client_key: Secret = option(
            "The key (PEM) of that certificate.", label="Client key", default=Secret(""), multiline=True
        )

    def send(self, message: Message) -> Outcome:
        from confluent_kafka import KafkaException

        body = document.fitted(message, MOST_BYTES)
        shown = body.decode("utf-8", "replace")
        handed_over = False
        try:
            producer = _kept.producer({"bootstrap.servers": self._bootstrap(), **self._settings()})
            producer.check_cluster(self.config.topic)
            handed_over = True
            where = producer.write(self.config.topic, message, body)
        except (AddressRefused, ValueError) as error:
            return Outcome(Verdict.FAILED, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), request=shown)
        except KafkaException as error:
            _kept.drop()
            found, text = judged(error.args[0], self.config.topic)
            return Outcome(found, text, arrived=handed_over and found is Verdict.RETRY, request=shown)
        return Outcome(Verdict.SENT, request=shown, response=where)

    def _bootstrap(self) -> str:
        """The brokers that are entered; raises OutboundError where one is refused or none can be resolved."""
        found: list[str] = []
        problem: OutboundError | None = None
        for host, port in addresses.listed(self.config.brokers, 9093 if self.config.tls else 9092):
            try:
                checked = [str(address[0]) for _, address in dial_check(host, port)]
            except AddressRefused:
                raise
            except OutboundError as error:
                problem = error
                continue
            # A certificate is for the name.
            found += [addresses.written(place, port) for place in ([host] if self.config.tls else checked)]
        if problem is not None and not found:
            raise problem
        return ",".join(found)

    def _settings(self) -> dict[str, Any]:
        """The library's settings, by its own names."""
        config = self.config
        signs_in = config.sasl != "none"
        settings: dict[str, Any] = {
            "client.id": "sensorapp",
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": round(RECORD_SECONDS * 1000),
            "socket.timeout.ms": 10_000,
            "socket.connection.setup.timeout.ms": 5000,
            "reconnect.backoff.ms": round(RECONNECT_SECONDS * 1000),
            "security.protocol": ("SASL_" if signs_in else "") + ("SSL" if config.tls else "PLAINTEXT"),
            # It would write to standard error; what matters comes back as an error.
            "log_level": 0,
        }
        if signs_in:
            settings["sasl.mechanism"] = config.sasl
            settings["sasl.username"] = config.username
            settings["sasl.password"] = str(config.password)
        certificates = {
            "ssl.ca.pem": config.certificates,
            "ssl.certificate.pem": config.client_certificate,
            "ssl.key.pem": str(config.client_key),
        }
        return settings | {name: pem for name, pem in certificates.items() if config.tls and pem.strip()}


def judged(error: "KafkaError", topic: str) -> tuple[Verdict, str]:
    """What an error of the library or of a broker means, and the sentence for it."""
    name, said = error.name(), error.str()[:300]
    if name in _CREDENTIALS:
        return Verdict.CREDENTIALS, f"The cluster refuses the credentials, or lets them not write to {topic}: {said}"
    if name in _FOR_GOOD:
        return Verdict.FAILED, f"The record cannot be written: {said}"
    if name in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"):
        return Verdict.RETRY, f"The cluster has no topic {topic}; create it, or enter another"
    return Verdict.RETRY, f"The record was not confirmed: {said}"


class _Producer:
    """A connection to a cluster, and what went wrong with it lately."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Raises KafkaException where the settings cannot be used."""
        from confluent_kafka import Producer

        self.settings = settings
        self._troubles: list[KafkaError] = []
        self._producer = Producer({**settings, "error_cb": self._troubles.append})

    def check_cluster(self, topic: str) -> None:
        """Ask the cluster for its brokers and check each; raises KafkaException and OutboundError."""
        from confluent_kafka import KafkaException

        self._troubles.clear()
        until = time.monotonic() + CLUSTER_SECONDS
        while True:
            try:
                cluster = self._producer.list_topics(topic, timeout=0.25)
                break
            except KafkaException:
                self._producer.poll(0)
                names = {trouble.name() for trouble in self._troubles}
                if names & _TELLING or time.monotonic() > until:
                    raise KafkaException(self._worst()) from None
        for broker in cluster.brokers.values():
            dial_check(broker.host, broker.port)
        if (error := cluster.topics[topic].error) is not None:
            raise KafkaException(error)

    def _worst(self) -> "KafkaError":
        """The trouble that says most; that nothing can be reached is said by all of them."""
        from confluent_kafka import KafkaError

        told = [trouble for trouble in self._troubles if trouble.name() != "_ALL_BROKERS_DOWN"]
        for name in ("_AUTHENTICATION", "_SSL"):
            told = [trouble for trouble in told if trouble.name() == name] or told
        silent = KafkaError(KafkaError._TIMED_OUT, f"No broker answered within {CLUSTER_SECONDS:g} s")
        return told[0] if told else silent

    def write(self, topic: str, message: Message, body: bytes) -> str:
        """Write a record and wait until the replicas have it; where it is. Raises KafkaException."""
        from confluent_kafka import KafkaError, KafkaException

        reports: list[Any] = []
        self._producer.produce(
            topic,
            body,
            document.group_id(message),
            headers=[("delivery", str(message.delivery)), ("type", f"alerts.{message.event}")],
            on_delivery=lambda error, record: reports.append((error, record)),
        )
        self._producer.flush(RECORD_SECONDS + 5)
        if not reports:
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))
        error, record = reports[0]
        if error is not None:
            raise KafkaException(error)
        return f"partition {record.partition()}, offset {record.offset()}"

    def close(self) -> None:
        self._producer.purge()
        self._producer.close()


class _Kept(threading.local):
    """Each thread's last producer: a new one takes up to half a second until it may write.

    One that failed is not kept, for it would go on calling its brokers by itself.
    """

    last: _Producer | None = None

    def producer(self, settings: dict[str, Any]) -> _Producer:
        if self.last is None or self.last.settings != settings:
            self.drop()
            self.last = _Producer(settings)
        return self.last

    def drop(self) -> None:
        if self.last is not None:
            self.last.close()
            self.last = None


_kept = _Kept()
