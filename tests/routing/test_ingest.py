from datetime import timedelta
from uuid import UUID

import pytest

from routing.admission import Row, Sender, admit
from routing.ingest import Intake, Outcome
from routing.models import Alert, Sensor, Token, Unrouted
from tests import build

ACCEPTED, DUPLICATE, REFUSED = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.REFUSED
GONE = 999_999
"""Id of a token that is not in the database: what the database refuses although the alert is valid."""


def sender(role: str = "sensor", hostname: str = "node-1", secret: str = "sa_test") -> Sender:
    stored = build.token(role, secret, hostname=hostname)
    return Sender(stored.pk, stored.name, stored.role, stored.hostname)


def rows(count: int, who: Sender, **fields: object) -> list[Row]:
    return [admit(build.posted(output=f"number {number}", **fields), who) for number in range(count)]


@pytest.mark.django_db
def test_what_is_stored_is_what_was_said():
    who = sender()
    uuid = UUID("01a20866-f9fb-7cc2-94d1-67d8cf42ae79")
    said = build.posted(uuid=str(uuid), time="2026-11-23T12:34:56.123456789Z", held_back=2)
    assert Intake().store([admit(said, who)], build.NOW) == [ACCEPTED]
    alert = Alert.objects.select_related("sensor").get()
    assert (alert.uuid, alert.rule, alert.priority, alert.source) == (uuid, said["rule"], 4, "syscall")
    assert (alert.time.microsecond, alert.time_ns % 1000, alert.received_at) == (123_456, 789, build.NOW)
    assert (alert.output, alert.output_fields, alert.tags) == (said["output"], said["output_fields"], ["T1003"])
    assert (alert.held_back, alert.token_id, alert.own_node) == (2, who.token, True)
    assert list(Unrouted.objects.values_list("pk", "received_at")) == [(uuid, build.NOW)]
    assert alert.sensor is not None
    assert (alert.sensor.name, alert.sensor.native) == ("node-1", False)


@pytest.mark.django_db
def test_a_repeat_is_a_duplicate_whoever_brings_it():
    intake, who = Intake(), sender()
    first = rows(3, who)
    assert intake.store(first, build.NOW) == [ACCEPTED] * 3
    assert intake.store(first[::-1] + rows(4, who)[3:], build.NOW) == [DUPLICATE] * 3 + [ACCEPTED]
    assert Intake().store(first, build.NOW) == [DUPLICATE] * 3
    assert Alert.objects.count() == 4


@pytest.mark.django_db
def test_what_one_batch_says_twice_is_stored_once_and_the_first_is_it():
    row = rows(1, sender())[0]
    assert Intake().store([row, row, row], build.NOW) == [ACCEPTED, DUPLICATE, DUPLICATE]
    assert Alert.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", ["admin", "sensor"])
@pytest.mark.parametrize("poisoned", [[0], [6], [3, 4], [0, 1, 2, 3, 4, 5, 6]])
def test_a_poison_alert_fails_alone(poisoned, role):
    who = sender()
    batch = rows(7, who)
    for index in poisoned:
        batch[index].output_fields = "this is not JSON"
    outcomes = Intake().store(batch, build.NOW)
    assert outcomes == [REFUSED if index in poisoned else ACCEPTED for index in range(7)]
    assert Alert.objects.count() == 7 - len(poisoned)


@pytest.mark.django_db(transaction=True)
def test_a_value_that_only_the_database_refuses_fails_alone():
    batch = rows(3, sender())
    batch[1].output_fields = "this is not JSON"
    assert Intake().store(batch, build.NOW) == [ACCEPTED, REFUSED, ACCEPTED]


@pytest.mark.django_db(transaction=True)
def test_alerts_of_a_sensor_that_was_deleted_meanwhile_are_kept():
    intake, who = Intake(), sender()
    intake.store(rows(1, who), build.NOW)
    Sensor.objects.all().delete()
    assert intake.store(rows(2, who), build.NOW) == [DUPLICATE, ACCEPTED]
    intake.after_commit(build.NOW)
    assert intake.store(rows(3, who), build.NOW) == [DUPLICATE, DUPLICATE, ACCEPTED]
    assert Alert.objects.filter(sensor__hostname="node-1").count() == 1


@pytest.mark.django_db
def test_a_batch_larger_than_a_transaction_is_stored_whole():
    batch = rows(2_500, sender())
    assert Intake().store(batch, build.NOW) == [ACCEPTED] * 2_500
    assert Alert.objects.count() == 2_500


@pytest.mark.django_db
def test_each_host_behind_a_token_is_a_sensor_once():
    intake, who = Intake(), sender(hostname="")
    for hostname in ("node-1", "node-2", "node-1"):
        intake.store(rows(1, who, hostname=hostname), build.NOW)
    assert sorted(Sensor.objects.values_list("hostname", "name")) == [("node-1", "node-1"), ("node-2", "node-2")]
    assert not Alert.objects.filter(own_node=True).exists()


@pytest.mark.django_db
def test_a_person_who_posts_is_no_sensor():
    Intake().store(rows(1, sender("admin", hostname="", secret="sa_admin")), build.NOW)
    assert not Sensor.objects.exists()
    assert Alert.objects.get().sensor is None


@pytest.mark.django_db
def test_a_sensor_that_said_hello_is_found_again():
    known = build.sensor(token=build.token(hostname="node-1"))
    Intake().store(rows(1, sender()), build.NOW)
    assert Alert.objects.get().sensor == known


@pytest.mark.django_db
def test_when_a_sensor_was_heard_is_written_every_few_seconds():
    intake, who = Intake(), sender()
    intake.store(rows(1, who), build.NOW)
    Sensor.objects.update(last_seen_at=build.NOW - timedelta(days=1))
    seen = []
    for seconds in (0, 3, 6):
        now = build.NOW + timedelta(seconds=seconds)
        intake.store(rows(1, who), now)
        intake.after_commit(now)
        seen.append((Sensor.objects.get().last_seen_at - build.NOW).total_seconds())
    assert seen == [0, 0, 6]


@pytest.mark.django_db
def test_tokens_are_not_changed_by_posts():
    who = sender()
    before = Token.objects.values().get()
    Intake().store(rows(1, who), build.NOW)
    assert Token.objects.values().get() == before
