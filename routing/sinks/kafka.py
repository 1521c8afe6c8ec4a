"""Kafka: every message is a record, keyed by its group, so that a group's messages stay in order.

librdkafka does the talking ("Introduction to librdkafka", "Configuration properties"): idempotent producer, all
in-sync replicas must have a record before it counts as sent.
"""

import threading
import time
from dataclasses import dataclass

from routing.kinds import Secret, option
from routing.outbound import MOST_IDLE_SECONDS, AddressRefused
from routing.sinks import addresses, document, librdkafka, places
from routing.sinks.base import Message, Outcome, Sender, Verdict
from routing.sinks.connection import check_certificates
from routing.sinks.librdkafka import Failed, NotInstalled, Producer

MOST_BYTES = 256 * 1024
"""Of a record; brokers take about a megabyte unless they are told otherwise."""
RECORD_SECONDS = 20.0
"""For reaching a broker and for a record, with the retries that the library makes."""
TOPIC_SECONDS = 2.0
"""For a topic that is just being made to be known to all brokers."""
RECONNECT_SECONDS = 1.0
"""Between two calls of a broker; the library's usual twentieth of a second would lock an account out."""

# kafka.apache.org, "Kafka protocol guide", "Error codes"; librdkafka's own ones start with an underscore. What is in
# none of the lists may pass: leaders move, topics are made, replicas come back.
_CREDENTIALS = {
    "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
}
_TO_MEND = {
    "_INVALID_ARG",
    "INVALID_REQUIRED_ACKS",
    "POLICY_VIOLATION",
    "TOPIC_EXCEPTION",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
}
_OF_RECORD = {
    "MSG_SIZE_TOO_LARGE",
    "INVALID_MSG",
    "INVALID_MSG_SIZE",
    "INVALID_RECORD",
    "INVALID_TIMESTAMP",
    "RECORD_LIST_TOO_LARGE",
}
# Of a connection; after these, waiting longer is of no use.
_HOPELESS = {"_AUTHENTICATION", "_ALL_BROKERS_DOWN"}


class Kafka(Sender):
    """Writes messages to a topic."""

    kind = "kafka"
    label = "Kafka"
    sends_acknowledged = True
    package = librdkafka.PACKAGE

    @dataclass(frozen=True)
    class Config:
        brokers: str = option(
            "Some brokers of the cluster, with commas between them.",
            label="Brokers",
            placeholder="kafka-1.example.com:9093, kafka-2.example.com:9093",
            place=places.servers,
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

        def __post_init__(self) -> None:
            check_certificates(self.certificates)

    def send(self, message: Message) -> Outcome:
        topic, body = self.config.topic, document.fitted(message, MOST_BYTES)
        shown = body.decode("utf-8", "replace")
        headers = {"delivery": str(message.delivery), "type": f"alerts.{message.event}"}
        try:
            producer = _kept.producer(self._settings())
            key = document.group_id(message)
            where = producer.write(topic, key, headers, body, seconds=RECORD_SECONDS + 5, hopeless=_HOPELESS)
        except AddressRefused as error:
            _kept.drop()
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except NotInstalled as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except Failed as error:
            _kept.drop()
            found, text = judged(error, topic)
            return Outcome(found, text, arrived=error.arrived and found is Verdict.RETRY, request=shown)
        return Outcome(Verdict.SENT, request=shown, response=where)

    def _settings(self) -> dict[str, str]:
        """The library's settings, by its own names."""
        config = self.config
        brokers = addresses.listed(config.brokers, 9093 if config.tls else 9092)
        signs_in = config.sasl != "none"
        settings = {
            "bootstrap.servers": ",".join(addresses.written(host, port) for host, port in brokers),
            "client.id": "sensorapp",
            "enable.idempotence": "true",
            "acks": "all",
            "linger.ms": "0",
            "message.timeout.ms": _milliseconds(RECORD_SECONDS),
            "topic.metadata.propagation.max.ms": _milliseconds(TOPIC_SECONDS),
            "socket.timeout.ms": "10000",
            "socket.connection.setup.timeout.ms": "5000",
            "reconnect.backoff.ms": _milliseconds(RECONNECT_SECONDS),
            "security.protocol": ("SASL_" if signs_in else "") + ("SSL" if config.tls else "PLAINTEXT"),
            # It would write to standard error; what matters comes back as an error.
            "log_level": "0",
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


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def judged(error: Failed, topic: str) -> tuple[Verdict, str]:
    """What an error of the library or of a broker means, and the sentence for it."""
    said = str(error)[:300]
    if error.name in _CREDENTIALS:
        return Verdict.CREDENTIALS, f"The cluster refuses the credentials, or lets them not write to {topic}: {said}"
    if error.name in _TO_MEND:
        return Verdict.CREDENTIALS, f"The sink's options, the topic or the cluster must be mended: {said}"
    if error.name in _OF_RECORD:
        return Verdict.FAILED, f"The record cannot be written: {said}"
    if error.name in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC"):
        return Verdict.RETRY, f"The cluster has no topic {topic}; create it, or enter another"
    return Verdict.RETRY, f"The record was not confirmed: {said}"


class _Kept(threading.local):
    """Each thread's last producer: a new one takes up to half a second until it may write.

    One that failed is not kept, for it would go on calling its brokers by itself; nor one that was idle for long, for
    its connections may have been forgotten on the way.
    """

    last: Producer | None = None
    used_at = 0.0

    def producer(self, settings: dict[str, str]) -> Producer:
        idle = time.monotonic() - self.used_at > MOST_IDLE_SECONDS
        if self.last is None or idle or self.last.settings != settings:
            self.drop()
            self.last = Producer(settings)
        else:
            self.last.forget()
        self.used_at = time.monotonic()
        return self.last

    def drop(self) -> None:
        if self.last is not None:
            self.last.close()
            self.last = None


_kept = _Kept()
