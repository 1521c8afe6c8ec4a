"""Two writers hear of the same sensors at the same time, each in an order of its own."""

import pytest
from django.db import connection, transaction

from routing.admission import Row, Sender, admit
from routing.models import Sensor
from routing.presence import Presence
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere, until_somebody_waits

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time"),
    pytest.mark.django_db(transaction=True),
]


def rows(*hostnames: str) -> list[Row]:
    token = build.token()
    sender = Sender(token.pk, token.name, token.role, "")
    return [admit(build.posted(hostname=hostname), sender) for hostname in hostnames]


def test_new_sensors_are_stored_by_both_without_a_deadlock() -> None:
    first, second = rows("a", "b")
    with transaction.atomic():
        mine = Presence().sensors_of([first], NOW)
        other = elsewhere(Presence().sensors_of, [second, first], NOW)
        until_somebody_waits(other)
        mine |= Presence().sensors_of([second], NOW)
    assert other.result(WAIT) == mine
    assert Sensor.objects.count() == 2


def test_when_sensors_were_heard_is_written_by_both_without_a_deadlock(
    caplog: pytest.LogCaptureFixture,
) -> None:
    presence, heard = Presence(), rows("a", "b")
    first, second = presence.sensors_of(heard, NOW).values()
    Sensor.objects.filter(pk=first).update(name="moved behind the other one")
    with transaction.atomic():
        Sensor.objects.filter(pk=first).update(last_seen_at=NOW)
        other = elsewhere(presence.write_seen, NOW)
        until_somebody_waits(other)
        Sensor.objects.filter(pk=second).update(last_seen_at=NOW)
    other.result(WAIT)
    assert "last_seen_not_written" not in caplog.text
