"""The bucket of tokens: bursts, the rate after them, and two workers that reach for the same token."""

from datetime import timedelta

import pytest
from django.db import transaction

from routing import deliveries, pacing
from routing.models import Sink
from routing.sinks.base import Pace
from tests import build
from tests.build import NOW

PACE = Pace(per_minute=60, burst=3)


def after(seconds: float) -> object:
    return NOW + timedelta(seconds=seconds)


def test_a_burst_may_go_at_once_and_then_one_in_each_step() -> None:
    assert pacing.allowed(PACE, None, NOW) == 3
    free_at = pacing.moved(PACE, None, 3, NOW)
    assert free_at == after(1)
    assert [pacing.allowed(PACE, free_at, after(seconds)) for seconds in (0, 0.9, 1, 1.9, 2, 3)] == [0, 0, 1, 1, 2, 3]


def test_a_long_pause_saves_no_more_than_the_burst() -> None:
    assert pacing.allowed(PACE, NOW, NOW + timedelta(days=1)) == 3


def test_over_any_while_no_more_goes_than_rate_and_burst() -> None:
    free_at, sent, now = None, 0, NOW
    for _ in range(600):
        may = pacing.allowed(PACE, free_at, now)
        if may:
            free_at, sent = pacing.moved(PACE, free_at, may, now), sent + may
        now += timedelta(milliseconds=100)
    assert 60 <= sent <= 63


@pytest.mark.django_db
def test_a_sinks_own_limit_comes_before_its_kinds() -> None:
    slack, webhook = build.sink("slack"), build.sink("webhook")
    assert pacing.pace_of(slack) == Pace(60, burst=5)
    assert pacing.pace_of(webhook) is None
    assert pacing.pace_of(Sink(kind="gone")) is None
    slack.most_per_minute = 6
    assert pacing.pace_of(slack) == Pace(6, burst=1)


@pytest.mark.django_db
def test_a_worker_that_read_an_old_moment_gets_no_token() -> None:
    sink = build.sink("slack")
    late = Sink.objects.get(pk=sink.pk)
    with transaction.atomic():
        assert pacing.take(sink, 2, NOW) == 2
        assert pacing.take(late, 2, NOW) == 0


@pytest.mark.django_db
def test_tokens_that_were_not_used_come_back() -> None:
    sink = build.sink("slack")
    with transaction.atomic():
        pacing.take(sink, 5, NOW)
    pacing.put_back(sink, 3)
    sink.refresh_from_db()
    assert pacing.allowed(Pace(60, burst=5), sink.free_at, NOW) == 3


@pytest.mark.django_db
def test_a_sink_without_a_limit_is_never_held() -> None:
    sink = build.sink("webhook")
    assert pacing.take(sink, 100, NOW) == 100
    pacing.put_back(sink, 7)
    sink.refresh_from_db()
    assert sink.free_at is None


@pytest.mark.django_db
def test_a_sink_that_was_sent_its_share_is_not_rung_for_until_its_time(httpserver: object) -> None:
    httpserver.expect_request("/").respond_with_data("")  # type: ignore[attr-defined]
    url = httpserver.url_for("/")  # type: ignore[attr-defined]
    sink = build.sink("webhook", secrets={"url": url}, most_per_minute=12)
    for _ in range(3):
        build.owed(sink)
    assert len(deliveries.send_next(sink.pk, 16, NOW)) == 1
    soon = NOW + timedelta(seconds=4.9)
    assert deliveries.due(soon) == []
    assert deliveries.send_next(sink.pk, 16, soon) == []
    then = NOW + timedelta(seconds=5)
    assert deliveries.due(then) == [sink.pk]
    assert len(deliveries.send_next(sink.pk, 16, then)) == 1


@pytest.mark.django_db
def test_what_a_failure_left_untried_costs_no_token(httpserver: object) -> None:
    httpserver.expect_request("/").respond_with_data("", 503)  # type: ignore[attr-defined]
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/")}, most_per_minute=60)  # type: ignore[attr-defined]
    for _ in range(5):
        build.owed(sink)
    assert len(deliveries.send_next(sink.pk, 5, NOW)) == 1
    sink.refresh_from_db()
    assert pacing.allowed(Pace(60, burst=5), sink.free_at, NOW) == 4
