"""Searching within a second: whatever is asked, the answer says what it saw."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db.models import Q

from routing import finding
from routing.models import Alert
from routing.patience import OutOfTime
from routing.searching import EVERYTHING, search
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def many() -> list[Alert]:
    """A hundred alerts, one a second, every tenth about `nc`; the last one is the newest."""
    token = build.token()
    alerts = [
        build.alert(
            time=NOW + timedelta(seconds=number),
            rule=f"rule {number % 4}",
            output_fields={"proc.name": "nc" if number % 10 == 0 else "cat"},
            token=token,
            waits=False,
        )
        for number in range(100)
    ]
    return alerts


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "FIRST", 7)
    monkeypatch.setattr(finding, "GROWTH", 1)


def ticking(step: float) -> finding.Clock:
    """A clock that goes on by `step` seconds at each look."""

    def times() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += step

    made = times()
    return lambda: next(made)


CONDITIONS = ["", "alert.rule = 'rule 1'", "proc.name = nc", "proc.name glob n*", "alert.output contains file"]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_pages_follow_one_another_without_gaps(condition: str, many: list[Alert]) -> None:
    asked = search(condition)
    seen: list[Alert] = []
    before = None
    while True:
        found = finding.find(Alert.objects.all(), asked, before, 6)
        assert len(found.alerts) <= 6
        assert found.read_to is None
        seen += found.alerts
        if found.older is None:
            break
        before = found.older
    predicate = asked.predicate
    expected = Alert.objects.filter(asked.query).order_by("-pk")
    assert seen == [alert for alert in expected if predicate is None or predicate(alert)]
    assert seen


@pytest.mark.parametrize("condition", ["proc.name glob x*", "alert.output contains nothing"])
def test_what_no_index_finds_is_read_for_a_second_and_continues_where_it_stopped(
    condition: str, many: list[Alert]
) -> None:
    found = finding.find(Alert.objects.all(), search(condition), None, 6, ticking(0.6))
    assert (found.alerts, found.older) == ([], many[-7].pk)
    assert found.read_to == many[-7].time
    rest = finding.find(Alert.objects.all(), search(condition), found.older, 6)
    assert (rest.alerts, rest.older, rest.read_to) == ([], None, None)


def test_what_was_found_before_the_time_was_up_is_kept(many: list[Alert]) -> None:
    found = finding.find(Alert.objects.all(), search("proc.name glob n*"), None, 6, ticking(0.3))
    assert 0 < len(found.alerts) < 6
    assert found.read_to is not None
    rest = finding.find(Alert.objects.all(), search("proc.name glob n*"), found.older, 100)
    assert [*found.alerts, *rest.alerts] == [alert for alert in many[::-1] if alert.output_fields["proc.name"] == "nc"]


def test_counts_are_exact_up_to_a_limit(many: list[Alert], monkeypatch: pytest.MonkeyPatch) -> None:
    for condition in CONDITIONS:
        asked = search(condition)
        whole = finding.find(Alert.objects.all(), asked, None, 1000).alerts
        assert finding.count(Alert.objects.all(), asked) == finding.Count(len(whole), None)
    monkeypatch.setattr(finding, "COUNTED", 20)
    assert str(finding.count(Alert.objects.all(), EVERYTHING)) == "20+"
    assert str(finding.count(Alert.objects.all(), search("alert.output contains file"))) == "20+"


def test_a_count_that_ran_out_of_time_says_so(many: list[Alert]) -> None:
    counted = finding.count(Alert.objects.all(), search("alert.output contains file"), ticking(0.6))
    assert (counted.number, counted.read_to, str(counted)) == (7, many[-7].time, "7+")


def test_a_span_of_time_is_exact_though_keys_are_only_near(many: list[Alert]) -> None:
    since, until = NOW + timedelta(seconds=10), NOW + timedelta(seconds=20)
    skewed = build.alert(time=since, uuid=build.uuid_at(since - timedelta(seconds=50)))
    outside = build.alert(time=until, uuid=build.uuid_at(until - timedelta(seconds=50)))
    found = set(finding.between(since, until))
    assert found == {*many[10:20], skewed}
    assert outside not in found


def test_what_an_index_finds_too_much_of_is_read_instead(many: list[Alert], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "CANDIDATES", 3)
    found = finding.find(Alert.objects.all(), search("proc.name = nc"), None, 6)
    assert found.alerts == [alert for alert in many[::-1] if alert.output_fields["proc.name"] == "nc"][:6]


def test_what_else_is_asked_for_is_read_in_stretches_too(many: list[Alert]) -> None:
    """A stretch is so many alerts of the span, not so many of the few that a filter leaves."""
    asked = search("proc.name glob x*").also(Q(priority__lte=0))
    found = finding.find(Alert.objects.all(), asked, None, 6, ticking(0.6))
    assert (found.alerts, found.older, found.read_to) == ([], many[-7].pk, many[-7].time)


@contextmanager
def no_time(seconds: float) -> Iterator[None]:
    """As when the database is so busy that every query takes too long."""
    raise OutOfTime
    yield


@pytest.mark.parametrize("condition", [*CONDITIONS, "alert.rule = 'rule 5'", "proc.name = nothing"])
def test_where_every_query_takes_too_long_the_first_stretch_is_read_so_that_it_goes_on(
    condition: str, many: list[Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "at_most", no_time)
    asked = search(condition)
    expected = finding._matches(Alert.objects.all(), asked, 1000)
    assert str(finding.count(Alert.objects.all(), asked)).endswith("+")
    seen: list[Alert] = []
    before = None
    for _ in many:
        found = finding.find(Alert.objects.all(), asked, before, 6)
        seen += found.alerts
        before = found.older
        if before is None:
            break
        assert len(found.alerts) == 6 or found.read_to is not None
    assert seen == expected


@pytest.mark.parametrize("condition", CONDITIONS)
def test_alerts_that_arrive_between_two_pages_leave_no_gap_and_repeat_none(condition: str, many: list[Alert]) -> None:
    asked = search(condition)
    expected = finding._matches(Alert.objects.all(), asked, 1000)
    seen: list[Alert] = []
    before = None
    while True:
        found = finding.find(Alert.objects.all(), asked, before, 3)
        seen += found.alerts
        before = found.older
        if before is None:
            break
        # A new one, and a late one that belongs before what was shown.
        for time in (NOW + timedelta(hours=1), many[-1].time - timedelta(milliseconds=500)):
            build.alert(time=time, rule="rule 1", output_fields={"proc.name": "nc"}, token=many[0].token, waits=False)
    assert len(set(seen)) == len(seen)
    assert set(seen) >= set(expected)
    assert seen == sorted(seen, key=lambda alert: alert.pk, reverse=True)


def test_a_span_begins_and_ends_between_two_milliseconds() -> None:
    """An identity has whole milliseconds and may be a minute off; the span is exact all the same."""
    until = NOW + timedelta(microseconds=500)
    last = build.alert(time=NOW, uuid=build.uuid_at(NOW + finding.NEAR))
    first = build.alert(time=NOW - timedelta(hours=24), uuid=build.uuid_at(NOW - timedelta(hours=24) - finding.NEAR))
    assert set(finding.between(NOW - timedelta(hours=24), until)) == {first, last}
    assert set(finding.between(NOW - timedelta(hours=24) + timedelta(microseconds=1), NOW)) == set()
