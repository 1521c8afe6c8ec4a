"""librdkafka's own mock cluster (rdkafka_mock.h), told by its C interface what to answer.

Python's binding starts one by a setting but cannot make it fail.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files

from confluent_kafka import Consumer, Message, TopicPartition

PRODUCE = 0
"""The key of a request to write, in the Kafka protocol."""
TOPIC = "sensorapp-alerts"
"""Has one partition."""


def _library() -> ctypes.CDLL:
    (path,) = [path for path in files("confluent-kafka") or () if path.name.startswith("librdkafka-")]
    library = ctypes.CDLL(str(path.locate()))
    for name in ("conf_new", "new", "mock_cluster_new", "mock_cluster_bootstraps"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    return library


class Cluster:
    """A broker on loopback that keeps what is written to it."""

    def __init__(self, library: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._library, self._handle = library, handle
        found = ctypes.c_char_p(library.rd_kafka_mock_cluster_bootstraps(handle)).value
        assert found
        self.brokers = found.decode()

    def refuse(self, request: int, *errors: int) -> None:
        """Answer the next requests of a kind with these errors of the protocol."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._handle, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), codes
        )

    def spoil(self, error: int) -> None:
        """Say that the topic has an error."""
        self._library.rd_kafka_mock_topic_set_error(self._handle, TOPIC.encode(), ctypes.c_int(error))

    def claim_to_be_at(self, host: str, port: int) -> None:
        """Name another address of the only broker."""
        self._library.rd_kafka_mock_broker_set_host_port(self._handle, 1, host.encode(), port)

    def slow_down(self, milliseconds: int) -> None:
        """Answer everything so late."""
        self._library.rd_kafka_mock_broker_set_rtt(self._handle, 1, milliseconds)

    def records(self) -> list[Message]:
        """What was written to the topic."""
        settings = {
            "bootstrap.servers": self.brokers,
            "group.id": "reader",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        consumer = Consumer({**settings, "log_level": 0})
        found: list[Message] = []
        try:
            consumer.assign([TopicPartition(TOPIC, 0, 0)])
            while (record := consumer.poll(10)) is not None and record.error() is None:
                found.append(record)
        finally:
            consumer.close()
        return found


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of one broker with one topic."""
    library = _library()
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"log_level", b"0", None, ctypes.c_size_t(0))
    client = ctypes.c_void_p(library.rd_kafka_new(0, configuration, None, ctypes.c_size_t(0)))
    handle = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    library.rd_kafka_mock_topic_create(handle, TOPIC.encode(), 1, 1)
    try:
        yield Cluster(library, handle)
    finally:
        library.rd_kafka_mock_cluster_destroy(handle)
        library.rd_kafka_destroy(client)
