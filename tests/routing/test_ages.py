"""How long a delivery is tried, and pages that come too late."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_httpserver import HTTPServer

from routing import ages, deliveries, metrics, resending
from routing.models import Attempt, Delivery, Sink
from tests import build
from tests.build import NOW, owed
from tests.tallied import tallied

pytestmark = pytest.mark.django_db
LONG_AGO = NOW - timedelta(hours=5)
SECOND = timedelta(seconds=1)


@pytest.fixture
def pager() -> Sink:
    return build.sink("pagerduty", secrets={"routing_key": "k" * 32})


def owed_since(sink: Sink, **fields: Any) -> Delivery:
    return owed(sink, **{"created_at": LONG_AGO, "next_attempt_at": LONG_AGO, **fields})


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_pages_are_given_up_after_hours_however_seldom_their_turn_came(pager: Sink) -> None:
    counted = tallied(metrics.SETTLED, pager.name, "failed")
    Sink.objects.update(failures=9, open_until=NOW + timedelta(minutes=5))
    untried, tried = owed_since(pager), owed_since(pager, attempts_made=1, next_attempt_at=NOW + SECOND)
    Attempt.objects.create(delivery=tried, number=1, started_at=LONG_AGO)
    assert ages.give_up(NOW - SECOND) == 0
    assert ages.give_up(NOW) == 2
    assert states() == ["failed", "failed"]
    untried.refresh_from_db()
    assert untried.settled_at == NOW
    assert untried.error == "Given up, for a page would come too late by now: it waited for its turn for 5 hours"
    assert tallied(metrics.SETTLED, pager.name, "failed") == counted + 2


@pytest.mark.parametrize(
    "fields", [{"event": "resolved"}, {"created_at": LONG_AGO + SECOND}, {"state": "sending"}, {"state": "sent"}]
)
def test_others_are_left(pager: Sink, fields: dict[str, Any]) -> None:
    owed_since(pager, **fields)
    assert ages.give_up(NOW) == 0


def test_what_waits_for_other_kinds_or_for_a_paused_pager_goes_on_waiting(pager: Sink) -> None:
    owed_since(build.sink("webhook"))
    owed_since(pager)
    Sink.objects.filter(pk=pager.pk).update(enabled=False)
    assert ages.give_up(NOW) == 0


def test_a_page_that_somebody_sends_again_has_its_hours_again(pager: Sink, bob: User) -> None:
    untried, tried = owed_since(pager, state="failed"), owed_since(pager, state="failed", attempts_made=1)
    Attempt.objects.create(delivery=tried, number=1, started_at=LONG_AGO)
    for delivery in (untried, tried):
        resending.retry(delivery, bob, NOW)
    assert ages.give_up(NOW) == 0
    Attempt.objects.create(delivery=tried, number=2, started_at=NOW)
    Delivery.objects.filter(pk=tried.pk).update(attempts_made=1, next_attempt_at=NOW + SECOND)
    assert ages.give_up(NOW + timedelta(hours=4)) == 0
    assert ages.give_up(NOW + timedelta(hours=5)) == 1
    assert states() == ["failed", "queued"]


def test_refused_credentials_are_tried_for_three_days(httpserver: HTTPServer, bob: User) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 401)
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})
    delivery = owed(sink)

    def until_it_is_given_up() -> timedelta:
        begun = delivery.next_attempt_at
        while delivery.state == "queued":
            now = max(delivery.next_attempt_at, Sink.objects.get().open_until or NOW)
            deliveries.send_next(sink.pk, 1, now)
            delivery.refresh_from_db()
        return now - begun

    assert timedelta(hours=71) < until_it_is_given_up() < timedelta(hours=74)
    assert delivery.attempts_made > 60
    later = NOW + timedelta(days=9)
    resending.retry(delivery, bob, later)
    delivery.refresh_from_db()
    assert timedelta(hours=71) < until_it_is_given_up() < timedelta(hours=74)


def test_what_is_sent_again_is_not_as_old_as_it_was_made(httpserver: HTTPServer, bob: User) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 503)
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})
    made = NOW - timedelta(days=2)
    delivery = owed(sink, state="failed", created_at=made, attempts_made=1)
    Attempt.objects.create(delivery=delivery, number=1, started_at=made)
    resending.retry(delivery, bob, NOW)
    for days in (0, 2):
        deliveries.send_next(sink.pk, 1, NOW + timedelta(days=days))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == ("queued", 2)


@pytest.mark.parametrize("tried", [(), (8,), (9, 8)])
def test_what_a_sink_that_was_off_held_back_for_days_is_tried_more_than_once(
    httpserver: HTTPServer, tried: tuple[int, ...]
) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 503)
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})
    delivery = owed(sink, created_at=NOW - timedelta(days=9), attempts_made=len(tried))
    for number, days in enumerate(tried, 1):
        Attempt.objects.create(delivery=delivery, number=number, started_at=NOW - timedelta(days=days))
    deliveries.send_next(sink.pk, 1, NOW)
    assert states() == ["queued"]
