"""Who holds a delivery: what a worker that comes late, or reads what is old, may still change."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q

from routing import claims, definitions, deliveries, failing
from routing.claims import Claimed, Tried
from routing.definitions import SINKS
from routing.models import Attempt, Delivery, Sink
from routing.sinks.base import Outcome, Verdict
from tests import build
from tests.build import NOW, owed
from tests.elsewhere import WAIT, elsewhere

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
LATER = NOW + timedelta(hours=1)
HOOK: dict[str, Any] = {"name": "hook", "kind": "webhook", "secrets": {"url": "http://127.0.0.1:9/old"}}


@pytest.fixture
def sink() -> Sink:
    return build.sink(secrets={"url": "http://127.0.0.1:9/"})


def claim(sink: Sink, most: int = 1) -> list[Claimed]:
    return claims.claim(Q(sink=sink), most, NOW)


def end(claimed: Claimed, verdict: Verdict, error: str = "") -> None:
    """A try of it went so."""
    claims.settle([Tried(claimed, Outcome(verdict, error), NOW, 0.1)], [], None)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("changes", [{"claim": uuid4()}, {"state": "sent"}], ids=["claim", "state"])
def test_what_is_not_ours_any_more_is_not_given_back(sink: Sink, changes: dict[str, Any]) -> None:
    owed(sink)
    held = claim(sink)
    Delivery.objects.update(**changes)
    before = Delivery.objects.values().get()
    claims.release(held)
    assert Delivery.objects.values().get() == before


def test_of_two_workers_that_read_the_same_trouble_one_probes(sink: Sink) -> None:
    Sink.objects.update(failures=5, open_until=NOW)
    first, late = Sink.objects.get(), Sink.objects.get()
    assert [claims._permitted(one, 3, NOW) for one in (first, late)] == [1, 0]


@pytest.mark.parametrize("verdict", [Verdict.GONE, Verdict.CREDENTIALS])
def test_what_the_old_address_answers_late_is_tried_at_the_new_one(verdict: Verdict, erin: User) -> None:
    sink = definitions.save(SINKS, None, HOOK, erin, NOW)
    owed(sink)
    (held,) = claim(sink)
    definitions.save(SINKS, sink, {"secrets": {"url": "http://127.0.0.1:9/new"}}, erin, NOW)
    before = Sink.objects.values().get()
    end(held, verdict, "no such hook (404)")
    assert Sink.objects.values().get() == before
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.next_attempt_at, delivery.error) == ("queued", NOW, "no such hook (404)")
    assert delivery.attempts.get().outcome == "retry"
    (again,) = claim(sink)
    end(again, verdict, "no such hook (404)")
    assert Sink.objects.values().get() != before


def test_a_late_success_does_not_forget_the_trouble_of_a_sink_that_was_changed(sink: Sink) -> None:
    owed(sink)
    (held,) = claim(sink)
    deliveries.revive(sink, NOW)
    Sink.objects.update(failures=1, failing_since=NOW)
    end(held, Verdict.SENT)
    assert (states(), Sink.objects.get().failures) == (["sent"], 1)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_claim_that_was_lost_changes_nothing_of_the_sink(sink: Sink, verdict: Verdict) -> None:
    owed(sink)
    (held,) = claim(sink)
    deliveries.take_back(NOW + claims.LEASE + timedelta(seconds=1))
    before = Sink.objects.values().get()
    end(held, verdict)
    assert (states(), Sink.objects.values().get()) == (["queued"], before)


def test_a_sink_that_was_gone_while_something_was_sent_is_told_of(sink: Sink) -> None:
    for _ in range(2):
        owed(sink)
    slow, fast = claim(sink) + claim(sink)
    end(fast, Verdict.GONE, "no such hook (404)")
    end(slow, Verdict.SENT)
    assert not Sink.objects.get().enabled
    assert failing.tell(NOW + failing.AFTER) == 1


@pytest.mark.parametrize(
    ("name", "furthest"),
    [("free_at", timedelta(minutes=1)), ("open_until", timedelta(hours=30))],
)
def test_a_moment_that_only_a_wrong_clock_can_have_set_holds_nothing(
    sink: Sink, name: str, furthest: timedelta
) -> None:
    Sink.objects.update(most_per_minute=1)
    owed(sink)
    Sink.objects.update(**{name: NOW + furthest})
    assert (deliveries.due(NOW), claim(sink)) == ([], [])
    Sink.objects.update(**{name: NOW + timedelta(days=365)})
    assert deliveries.due(NOW) == [sink.pk]
    assert len(claim(sink)) == 1
    stored = getattr(Sink.objects.get(), name)
    assert NOW < stored <= NOW + timedelta(minutes=1)


@pytest.mark.parametrize(
    "changes",
    [{"state": "sent"}, {"claim": uuid4()}],
    ids=["settled", "claimed anew"],
)
def test_what_is_settled_at_the_last_moment_is_not_taken_back(
    sink: Sink, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    owed(sink)
    claim(sink)
    found = deliveries._after_a_crash

    def meanwhile(delivery: Delivery, *rest: Any) -> dict[str, Any]:
        Delivery.objects.filter(pk=delivery.pk).update(**changes)
        return found(delivery, *rest)

    monkeypatch.setattr(deliveries, "_after_a_crash", meanwhile)
    assert deliveries.take_back(LATER) == 0
    delivery = Delivery.objects.get()
    assert {name: getattr(delivery, name) for name in changes} == changes
    assert (delivery.error, Attempt.objects.get().error, Sink.objects.get().failures) == ("", "", 0)


def test_a_claim_whose_lease_ends_is_one_failure_that_held_a_worker(sink: Sink) -> None:
    for _ in range(4):
        owed(sink)
    claim(sink, 3)
    assert deliveries.take_back(LATER) == 3
    stored = Sink.objects.get()
    assert (stored.failures, stored.failing_since, stored.open_until) == (1, LATER, LATER + timedelta(seconds=15))
    assert "went away" in stored.last_error
    assert claims.claim(Q(sink=sink), 3, LATER) == []
    then = LATER + timedelta(seconds=15)
    assert len(claims.claim(Q(sink=sink), 3, then)) == 1
    assert deliveries.take_back(then + LATER.resolution + claims.LEASE) == 1
    stored.refresh_from_db()
    assert (stored.failures, stored.failing_since) == (2, LATER)


def test_a_sink_whose_calls_never_end_holds_few_workers(sink: Sink) -> None:
    for _ in range(40):
        owed(sink)
    held = 0
    for minute in range(10):
        now = NOW + minute * timedelta(seconds=61)
        deliveries.take_back(now)
        held += sum(bool(claims.claim(Q(sink=sink), 4, now)) for _ in range(3))
    assert held <= 6


def briefly() -> None:
    """Whoever waits for a lock from now on fails soon; in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_nobody() -> None:
    sink = build.sink(secrets={"url": "http://127.0.0.1:9/"})
    busy, free = owed(sink), owed(sink)

    def claimed() -> list[int]:
        with transaction.atomic():
            briefly()
            return [one.delivery.pk for one in claim(sink, 2)]

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=busy.pk)
        assert elsewhere(claimed).result(WAIT) == [free.pk]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_what_is_owed_to_a_sink_is_stored_while_something_settles() -> None:
    sink = build.sink(secrets={"url": "http://127.0.0.1:9/"})

    def store() -> Delivery:
        with transaction.atomic():
            briefly()
            return owed(sink)

    with transaction.atomic():
        assert claims._lock(sink)
        assert elsewhere(store).result(WAIT).pk
