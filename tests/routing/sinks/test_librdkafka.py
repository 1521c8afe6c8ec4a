"""The C interface, against the library's own mock cluster; what records need of it is in test_kafka.py."""

import gc
from collections.abc import Iterator

import pytest

from routing.outbound import AddressRefused
from routing.sinks import librdkafka
from routing.sinks.librdkafka import Failed, Producer
from tests.routing.sinks.mock_kafka import TOPIC, Cluster, cluster


@pytest.fixture
def broker() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def producer(brokers: str) -> Producer:
    return Producer({"bootstrap.servers": brokers, "linger.ms": "0", "log_level": "0"})


def write(by: Producer, body: bytes = b"body", seconds: float = 10) -> str:
    return by.write(TOPIC, "key", {"a": "1", "b": "ü"}, body, seconds=seconds, hopeless=("_ALL_BROKERS_DOWN",))


def test_a_record_has_its_key_headers_and_body_to_the_last_byte(broker: Cluster) -> None:
    made = producer(broker.brokers)
    assert write(made, b"with a \x00 in it") == "partition 0, offset 0"
    assert write(made, b"") == "partition 0, offset 1"
    made.close()
    first, second = broker.records()
    assert (first.key(), first.value(), second.value()) == (b"key", b"with a \x00 in it", b"")
    assert first.headers() == [("a", b"1"), ("b", "ü".encode())]


def test_an_address_behind_a_name_is_checked_when_it_is_connected_to(broker: Cluster, settings) -> None:
    settings.OUTBOUND_ALLOW = []
    made = producer(broker.brokers.replace("127.0.0.1", "localhost"))
    with pytest.raises(AddressRefused, match=r"A broker is at (127\.0\.0\.1|::1), which is not a public address"):
        write(made)
    made.close()


def test_what_went_wrong_while_nothing_was_written_is_forgotten(broker: Cluster) -> None:
    made = producer(broker.brokers)
    write(made)
    made._troubles.append(Failed("_ALL_BROKERS_DOWN", "an hour ago"))
    made._refused.append("10.0.0.1")
    made.forget()
    assert write(made) == "partition 0, offset 1"
    made.close()


def test_a_record_that_is_too_large_for_the_library_is_an_error_at_once(broker: Cluster) -> None:
    made = producer(broker.brokers)
    with pytest.raises(Failed, match="Message size too large") as error:
        write(made, b"x" * 2_000_000)
    assert (error.value.name, error.value.arrived) == ("MSG_SIZE_TOO_LARGE", False)
    made.close()


def test_a_record_that_is_not_waited_for_is_taken_back(broker: Cluster) -> None:
    made = producer("127.0.0.1:1")
    with pytest.raises(Failed, match="Connection refused") as error:
        write(made)
    assert not error.value.arrived
    made.close()


NO_PEM = {"ssl.ca.pem": "x", "security.protocol": "ssl"}


@pytest.mark.parametrize(
    ("settings", "text"), [({"no.such.setting": "1"}, "No such configuration property"), (NO_PEM, "PEM")]
)
def test_settings_that_cannot_be_used_are_said(settings: dict[str, str], text: str) -> None:
    with pytest.raises(Failed, match=text) as error:
        Producer(settings)
    assert error.value.name == "_INVALID_ARG"


def test_a_producer_that_nobody_holds_ends(broker: Cluster) -> None:
    made = producer(broker.brokers)
    end = made._end
    del made
    gc.collect()
    assert not end.alive


def test_without_a_bundled_library_the_systems_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "files", lambda name: None)
    monkeypatch.setattr(librdkafka, "find_library", lambda name: "librdkafka.so.1")
    assert librdkafka._path() == "librdkafka.so.1"
