from collections.abc import Iterator

import pytest
from kombu import Connection

from sensorapp.celery import app
from sensorapp.redis_transport import Channel


@pytest.fixture
def connection() -> Iterator[Connection]:
    """To this test's broker, as the worker's is made."""
    with app.connection_for_write() as connection:
        yield connection


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+socket"])
def test_every_address_of_a_redis_is_served_by_ours(scheme: str):
    assert Connection(f"{scheme}:///tmp/none").get_transport_cls().Channel is Channel


def test_a_channel_whose_connection_was_given_up_fails_as_one_that_is_lost(connection: Connection):
    channel = connection.default_channel
    lost = connection.connection_errors
    # As `Connection.collect` does when the broker is lost.
    connection.transport.client = None
    channel._disconnect_pools()
    with pytest.raises(lost):
        channel.qos.restore_unacked()


def test_a_channel_that_is_closed_fails_as_one_that_is_lost(connection: Connection):
    channel = connection.channel()
    channel.close()
    with pytest.raises(connection.connection_errors):
        channel.qos.ack("a message")
