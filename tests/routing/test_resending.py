"""What people do about deliveries."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from pytest_httpserver import HTTPServer

from routing import backoff, deliveries, resending
from routing.models import Attempt, AuditEntry, Delivery, Sink
from tests import build
from tests.build import NOW, owed

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


@pytest.fixture
def sink(httpserver: HTTPServer) -> Sink:
    return build.sink("webhook", secrets={"url": httpserver.url_for("/hook")})


def test_a_person_sends_a_dead_letter_again_and_that_is_remembered(sink: Sink, bob: User) -> None:
    delivery = owed(sink, state="failed", attempts_made=14)
    assert resending.retry(delivery, bob, NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.next_attempt_at, delivery.settled_at) == ("queued", NOW, None)
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.verb, entry.before) == (bob, "send again", {"state": "failed"})


def test_what_is_on_its_way_is_not_sent_again_or_discarded(sink: Sink, bob: User) -> None:
    delivery = owed(sink, state="sending", claim=uuid4(), lease_until=LATER)
    assert not resending.retry(delivery, bob, NOW)
    assert not resending.discard(delivery, bob, NOW)
    assert not AuditEntry.objects.exists()


def test_a_range_is_sent_again(sink: Sink, bob: User) -> None:
    failed = [owed(sink, state="failed") for _ in range(3)]
    owed(sink, state="sent")
    ids = resending.retry_all(Delivery.objects.filter(state="failed"), bob, NOW)
    assert ids == [delivery.pk for delivery in failed]
    assert deliveries.due(NOW) == [sink.pk]
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.target) == ("send again", f"deliveries {ids[0]} to {ids[-1]}")
    assert (entry.before, entry.after) == (
        {"states": {"failed": 3}},
        {"state": "queued", "deliveries": 3, "first": ids[0], "last": ids[-1]},
    )


def test_a_range_is_changed_up_to_a_bound_oldest_first(sink: Sink, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "MOST_IN_A_RANGE", 2)
    failed = [owed(sink, state="failed").pk for _ in range(3)]
    dead = Delivery.objects.filter(state="failed")
    assert resending.retry_all(dead, bob, NOW) == failed[:2]
    assert resending.discard_all(dead, bob, NOW) == failed[2:]
    assert resending.discard_all(dead, bob, NOW) == []
    assert AuditEntry.objects.count() == 2


@pytest.mark.parametrize(("state", "done"), [("queued", True), ("failed", True), ("unknown", True), ("sent", False)])
def test_a_person_discards_what_was_not_sent(sink: Sink, bob: User, state: str, done: bool) -> None:
    delivery = owed(sink, state=state)
    assert resending.discard(delivery, bob, NOW) is done
    delivery.refresh_from_db()
    assert (delivery.state == "discarded") is done
    assert AuditEntry.objects.filter(verb="discard").exists() is done


def test_what_was_given_up_and_is_sent_again_begins_anew(sink: Sink, httpserver: HTTPServer, bob: User) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_data("", 503)
    last = backoff.most_attempts(False)
    delivery = owed(sink, state="failed", attempts_made=last, created_at=NOW - timedelta(days=9))
    Attempt.objects.bulk_create(Attempt(delivery=delivery, number=n + 1, started_at=NOW) for n in range(last))
    resending.retry(delivery, bob, NOW)
    deliveries.send_next(sink.pk, 1, NOW)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts_made) == ("queued", 1)
    assert delivery.next_attempt_at <= NOW + timedelta(seconds=11)
    assert list(delivery.attempts.order_by("number").values_list("number", flat=True)) == list(range(1, last + 2))


def test_it_begins_anew_also_where_a_worker_died_over_it(sink: Sink, bob: User) -> None:
    delivery = owed(sink, state="failed", attempts_made=backoff.most_attempts(False))
    resending.retry(delivery, bob, NOW)
    Delivery.objects.update(state="sending", claim=uuid4(), lease_until=NOW, attempts_made=1)
    Attempt.objects.create(delivery=delivery, number=15, started_at=NOW)
    assert deliveries.take_back(LATER) == 1
    delivery.refresh_from_db()
    assert delivery.state == "queued"
    assert "may have arrived" in delivery.attempts.get().error


@pytest.mark.parametrize(
    ("of_sink", "of_delivery", "said"),
    [
        ({}, {}, ""),
        ({"enabled": False}, {}, "The sink a webhook is paused: it waits until somebody presses Resume there."),
        ({"enabled": False, "disabled_reason": "410"}, {}, "is switched off"),
        ({"open_until": NOW + timedelta(hours=20)}, {}, "is in trouble and is left alone for 20 h."),
        ({"open_until": NOW}, {}, ""),
        ({}, {"next_attempt_at": NOW + timedelta(minutes=3)}, "It is tried again in 3 min."),
        ({"free_at": NOW + timedelta(minutes=2)}, {}, "it waits for its turn, 2 min or more."),
    ],
)
def test_what_holds_a_delivery_back_is_said(sink: Sink, of_sink: dict, of_delivery: dict, said: str) -> None:
    Sink.objects.update(**of_sink)
    held = resending.held_back(Delivery.objects.get(pk=owed(sink, **of_delivery).pk), NOW)
    assert said in held
    assert bool(said) == bool(held)


def test_so_is_that_another_one_goes_first(sink: Sink) -> None:
    group = build.group(build.route())
    first, second = owed(sink, group=group), owed(sink, group=group)
    assert resending.held_back(first, NOW) == ""
    assert resending.held_back(second, NOW) == "An earlier message about its group goes first."


def test_a_persons_wish_lets_one_message_through_to_a_sink_that_is_left_alone(sink: Sink, bob: User) -> None:
    Sink.objects.update(failures=7, open_until=LATER)
    delivery, _ = owed(sink, next_attempt_at=LATER), owed(sink)
    assert deliveries.due(NOW) == []
    assert resending.try_now(delivery, bob, NOW)
    assert deliveries.due(NOW) == [sink.pk]
    assert len(deliveries.send_next(sink.pk, 5, NOW)) == 1
    assert AuditEntry.objects.get().verb == "try now"


def test_a_sink_that_works_is_not_taken_for_one_in_trouble(sink: Sink, bob: User) -> None:
    assert resending.try_now(owed(sink), bob, NOW)
    assert Sink.objects.get().open_until is None


@pytest.mark.parametrize("state", ["failed", "sent", "sending"])
def test_only_what_waits_is_tried_now(sink: Sink, bob: User, state: str) -> None:
    Sink.objects.update(open_until=LATER)
    assert not resending.try_now(owed(sink, state=state), bob, NOW)
    assert Sink.objects.get().open_until == LATER


def test_a_range_is_counted_by_state_before_it_is_changed(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in ("failed", "failed", "sent", "sending", "folded"):
        owed(sink, state=state)
    owed(sink, state="failed", event="test")
    whole = Delivery.objects.all()
    assert resending.by_state(resending.repeatable(whole)) == {"failed": 2, "sent": 1}
    assert resending.by_state(resending.discardable(whole)) == {"failed": 3}
    monkeypatch.setattr(resending, "MOST_IN_A_RANGE", 1)
    assert resending.by_state(resending.discardable(whole)) == {"failed": 2}
