"""Days of alerts: made before they come, dropped as a whole, and what lies in none of them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction

from routing import days
from routing.admission import Sender, admit
from routing.ingest import Intake, Outcome
from routing.models import Alert, AlertDay, GroupedAlert, Unrouted
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere, until_somebody_waits

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
TODAY = NOW.date()


def partitions() -> set[str]:
    """The partitions of alerts that PostgreSQL has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'routing_alert'::regclass")
        return {name for (name,) in cursor.fetchall()}


def where(alert: Alert) -> str:
    """The partition that an alert lies in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM routing_alert WHERE uuid = %s", [alert.pk])
        return str(cursor.fetchone()[0])


on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has partitions")


@pytest.fixture
def committed() -> Iterator[None]:
    """For tests whose transactions end: the partitions they make are gone afterwards."""
    yield
    with connection.cursor() as cursor:
        for name in partitions() - {"routing_alert_default"}:
            cursor.execute(f"DROP TABLE IF EXISTS {name}, {name.replace('routing_alert', 'routing_groupedalert')}")


def posted(time: datetime, **fields: object) -> dict[str, object]:
    return build.posted(time=time.isoformat().replace("+00:00", "Z"), uuid=str(build.uuid_at(time)), **fields)


def store(intake: Intake, now: datetime, *values: dict[str, object]) -> list[Outcome]:
    token = build.token("admin", "sa_admin")
    return intake.store([admit(value, Sender(token.pk, "a", "admin", "")) for value in values], now)


def keep(oldest: date, now: datetime) -> list[date]:
    """Two rounds: in the first a day is refused, in the second it goes."""
    days.drop_before(oldest, now)
    return days.drop_before(oldest, now + 2 * days.KNOWN)


def test_a_day_begins_with_its_first_millisecond() -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    first = build.uuid_at(midnight)
    assert days.first_of(TODAY) < first
    assert days.first_of(TODAY) > build.uuid_at(midnight - timedelta(milliseconds=1))
    assert days.day_of(first) == TODAY
    assert days.day_of(build.uuid_at(midnight - timedelta(milliseconds=1))) == TODAY - DAY


def test_today_and_the_days_to_come_are_made_once() -> None:
    days.ensure(NOW)
    days.ensure(NOW)
    assert [day.day for day in AlertDay.objects.order_by("day")] == [TODAY + number * DAY for number in range(8)]


@on_postgresql
def test_alerts_lie_in_the_partition_of_their_day_and_others_in_the_default_one() -> None:
    days.ensure(NOW)
    assert partitions() >= {"routing_alert_20261123", "routing_alert_20261130", "routing_alert_default"}
    tomorrow = build.alert(time=NOW + DAY)
    assert where(build.alert(time=NOW)) == "routing_alert_20261123"
    assert where(tomorrow) == "routing_alert_20261124"
    assert where(build.alert(time=datetime(1971, 1, 1, tzinfo=UTC))) == "routing_alert_default"
    assert where(build.alert(time=datetime(2200, 1, 1, tzinfo=UTC))) == "routing_alert_default"


@on_postgresql
def test_a_day_that_is_made_late_takes_its_alerts_out_of_the_default_partition() -> None:
    alert, other = build.alert(time=NOW), build.alert(time=NOW - DAY)
    GroupedAlert.objects.create(alert=alert, group=build.group(build.route()), routed_at=NOW, route_version=1)
    days.ensure(NOW)
    assert where(alert) == "routing_alert_20261123"
    assert where(other) == "routing_alert_default"
    assert GroupedAlert.objects.get().alert == alert


def test_a_day_that_is_too_old_goes_and_its_counts_stay() -> None:
    days.ensure(NOW)
    group = build.group(build.route())
    for priority, rule in (("critical", "One"), ("warning", "One"), ("warning", "Two")):
        alert = build.alert(priority, rule=rule, waits=False)
        GroupedAlert.objects.create(alert=alert, group=group, routed_at=NOW, route_version=1)
    kept = build.alert(time=NOW + DAY, waits=False)
    assert keep(TODAY + DAY, NOW + 2 * DAY) == [TODAY]
    assert [alert.pk for alert in Alert.objects.all()] == [kept.pk]
    assert not GroupedAlert.objects.exists()
    day = AlertDay.objects.get(day=TODAY)
    assert (day.alerts, day.by_priority, day.by_rule) == (3, {"Critical": 1, "Warning": 2}, {"One": 2, "Two": 1})
    assert keep(TODAY + DAY, NOW + 3 * DAY) == []
    if connection.vendor == "postgresql":
        assert "routing_alert_20261123" not in partitions()


def test_a_day_is_refused_before_it_goes_so_that_no_process_stores_into_it() -> None:
    days.ensure(NOW)
    build.alert(waits=False)
    assert days.drop_before(TODAY + DAY, NOW) == []
    assert days.dropped() == {TODAY}
    assert Alert.objects.count() == 1
    assert days.drop_before(TODAY + DAY, NOW + days.KNOWN) == []
    assert Alert.objects.count() == 1


def test_a_day_with_an_alert_that_was_not_routed_stays(caplog: pytest.LogCaptureFixture) -> None:
    days.ensure(NOW)
    build.alert()
    assert keep(TODAY + DAY, NOW) == []
    assert "not routed yet" in caplog.text
    Unrouted.objects.all().delete()
    assert keep(TODAY + DAY, NOW) == [TODAY]


def test_a_repeat_across_midnight_is_a_duplicate() -> None:
    intake = Intake()
    before = datetime(2026, 11, 23, 23, 59, 59, 999_000, tzinfo=UTC)
    alert, next_one = posted(before), posted(before + timedelta(milliseconds=1))
    assert store(intake, before, alert, next_one) == [Outcome.ACCEPTED] * 2
    assert store(intake, before + DAY, alert, next_one) == [Outcome.DUPLICATE] * 2
    assert Alert.objects.count() == 2


def test_what_is_posted_again_of_a_dropped_day_is_refused_and_its_neighbours_are_stored() -> None:
    intake = Intake()
    days.ensure(NOW)
    alert = posted(NOW)
    assert store(intake, NOW, alert) == [Outcome.ACCEPTED]
    Unrouted.objects.all().delete()
    later = NOW + 40 * DAY
    keep(TODAY + DAY, later)
    outcomes = store(intake, later + timedelta(minutes=3), alert, posted(later))
    assert outcomes == [Outcome.DROPPED, Outcome.ACCEPTED]
    assert [days.day_of(alert.pk) for alert in Alert.objects.all()] == [later.date()]


def test_what_lies_in_no_day_goes_by_the_time_it_was_received() -> None:
    days.ensure(NOW)
    past, future = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    for time in (past, future):
        build.alert(time=time, received_at=NOW - 2 * DAY, waits=False)
    fresh = [build.alert(time=time, received_at=NOW, waits=False) for time in (past, future)]
    waiting = build.alert(time=past, received_at=NOW - 2 * DAY)
    days.drop_before(TODAY, NOW)
    assert {alert.pk for alert in Alert.objects.all()} == {waiting.pk, *(alert.pk for alert in fresh)}


def test_an_absurd_identity_has_no_day() -> None:
    with pytest.raises(OverflowError):
        days.day_of(UUID(int=(1 << 128) - 1))
    assert store(Intake(), NOW, build.posted(time="2261-12-31T23:59:59Z")) == [Outcome.ACCEPTED]


def test_days_that_are_forgotten_are_made_again() -> None:
    """Also those that only PostgreSQL knows; `routing.backups` brings its own."""
    days.ensure(NOW)
    AlertDay.objects.filter(day=TODAY).delete()
    days.forget()
    assert not AlertDay.objects.exists()
    AlertDay.objects.create(day=TODAY, made_at=NOW)
    AlertDay.objects.create(day=TODAY - DAY, made_at=NOW, dropped_at=NOW, gone_at=NOW, alerts=7)
    days.make_again()
    if connection.vendor == "postgresql":
        assert partitions() == {"routing_alert_default", f"routing_alert_{TODAY:%Y%m%d}"}


def test_years_in_which_no_day_was_made_are_one_gap() -> None:
    """A clock that was off by years made days of its own, and what lies between them and ours leaves all the same."""
    for off in (datetime(1970, 1, 1, tzinfo=UTC), NOW, datetime(2200, 1, 1, tzinfo=UTC)):
        days.ensure(off)
    between = [build.alert(time=NOW + sign * 700 * DAY, received_at=NOW - 2 * DAY, waits=False) for sign in (-1, 1)]
    kept = build.alert(time=NOW, received_at=NOW - 2 * DAY, waits=False)
    days.drop_before(TODAY, NOW)
    assert {alert.pk for alert in Alert.objects.all()} == {kept.pk}
    assert between


def test_the_counts_of_a_day_outlive_a_crash_while_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    days.ensure(NOW)
    first, second = (build.alert(rule=rule, waits=False) for rule in ("One", "Two"))
    days.drop_before(TODAY + DAY, NOW)

    def die(*args: object) -> None:
        Alert.objects.filter(pk=first.pk).delete()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(days, "_remove", die)
        with pytest.raises(KeyboardInterrupt):
            days.drop_before(TODAY + DAY, NOW + DAY)
    assert days.drop_before(TODAY + DAY, NOW + DAY) == [TODAY]
    day = AlertDay.objects.get(day=TODAY)
    assert (day.alerts, day.by_rule, day.gone_at) == (2, {"One": 1, "Two": 1}, NOW + DAY)
    assert not Alert.objects.filter(pk=second.pk).exists()


def test_what_was_stored_of_a_day_after_it_went_leaves_by_the_time_it_was_received() -> None:
    days.ensure(NOW)
    assert keep(TODAY + DAY, NOW) == [TODAY]
    # A process was held up for longer than the days are known.
    stray = build.alert(time=NOW, received_at=NOW + DAY, waits=False)
    days.drop_before(TODAY + DAY, NOW + DAY)
    assert Alert.objects.filter(pk=stray.pk).exists()
    days.drop_before(TODAY + 2 * DAY, NOW + 2 * DAY)
    assert not Alert.objects.filter(pk=stray.pk).exists()


def test_what_is_not_known_for_two_minutes_may_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot ask which days were dropped stores nothing, and asks again at the next post."""
    days.ensure(NOW)
    intake = Intake()
    assert store(intake, NOW, posted(NOW)) == [Outcome.ACCEPTED]

    def fail() -> frozenset[date]:
        raise OperationalError("the database went away")

    later = NOW + days.KNOWN
    with monkeypatch.context() as patch:
        patch.setattr(days, "dropped", fail)
        with pytest.raises(OperationalError):
            store(intake, later, posted(later))
    AlertDay.objects.filter(day=TODAY).update(dropped_at=later)
    assert store(intake, later, posted(later)) == [Outcome.DROPPED]


def test_a_post_makes_no_day_but_its_own() -> None:
    """The others are a worker's: what is posted does not wait for the locks that they take."""
    store(Intake(), NOW, posted(NOW))
    assert [day.day for day in AlertDay.objects.all()] == [TODAY]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_what_is_posted_while_its_day_is_made_is_stored_once(committed: None) -> None:
    intake = Intake()
    intake._days_known_until = NOW + DAY  # So that it does not make the day itself.
    alert, other = posted(NOW), posted(NOW)
    assert store(intake, NOW, alert) == [Outcome.ACCEPTED]
    with transaction.atomic():
        days._make_partition(Alert, TODAY)
        posting = elsewhere(store, intake, NOW, alert, other)
        until_somebody_waits(posting)
    assert posting.result(WAIT) == [Outcome.DUPLICATE, Outcome.ACCEPTED]
    assert {where(stored) for stored in Alert.objects.all()} == {"routing_alert_20261123"}
    assert Unrouted.objects.count() == Alert.objects.count() == 2


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_single_alert_that_is_posted_while_its_day_is_made_is_not_refused(committed: None) -> None:
    intake = Intake()
    intake._days_known_until = NOW + DAY
    with transaction.atomic():
        days._make_partition(Alert, TODAY)
        posting = elsewhere(store, intake, NOW, posted(NOW))
        until_somebody_waits(posting)
    assert posting.result(WAIT) == [Outcome.ACCEPTED]
    assert where(Alert.objects.get()) == "routing_alert_20261123"


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_day_is_made_beside_a_worker_that_reads_alerts_and_then_groups_them(committed: None) -> None:
    alert, group = build.alert(time=NOW), build.group(build.route())
    with transaction.atomic():
        Alert.objects.get(output=alert.output)  # Of no key, so that every partition is read.
        making = elsewhere(days.ensure, NOW, 0)
        until_somebody_waits(making)
        GroupedAlert.objects.create(alert=alert, group=group, routed_at=NOW, route_version=1)
    making.result(WAIT)
    assert where(alert) == "routing_alert_20261123"
    assert GroupedAlert.objects.count() == 1


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_day_is_made_beside_a_writer_that_repeats_what_it_moves(committed: None) -> None:
    intake = Intake()
    intake._days_known_until = NOW + DAY
    alert = posted(NOW)
    assert store(intake, NOW, alert) == [Outcome.ACCEPTED]
    with transaction.atomic():
        assert store(intake, NOW, posted(NOW)) == [Outcome.ACCEPTED]
        making = elsewhere(days.ensure, NOW, 0)
        until_somebody_waits(making)
        assert store(intake, NOW, alert) == [Outcome.DUPLICATE]
    making.result(WAIT)
    assert {where(stored) for stored in Alert.objects.all()} == {"routing_alert_20261123"}


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_backup_keeps_days_from_being_dropped_and_posts_go_on(
    committed: None, caplog: pytest.LogCaptureFixture
) -> None:
    days.ensure(NOW)
    build.alert(time=NOW, waits=False)
    later = NOW + 40 * DAY
    days.drop_before(TODAY + DAY, later)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE routing_alert IN ACCESS SHARE MODE")  # As pg_dump does.
        dropping = elsewhere(days.drop_before, TODAY + DAY, later + 2 * days.KNOWN)
        until_somebody_waits(dropping)
        assert elsewhere(store, Intake(), later, posted(later)).result(WAIT) == [Outcome.ACCEPTED]
        assert dropping.result(WAIT) == []
    assert "day_not_dropped" in caplog.text
    assert days.drop_before(TODAY + DAY, later + 2 * days.KNOWN) == [TODAY]
    assert AlertDay.objects.get(day=TODAY).alerts == 1
