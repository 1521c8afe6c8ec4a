from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q

from routing import claims, folding, pipeline, resending
from routing.messages import alerts_of, message_for
from routing.models import AlertGroup, Attempt, Delivery, Receipt, Route, Sink
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere

pytestmark = pytest.mark.django_db
SOON = NOW + timedelta(minutes=1)


@pytest.fixture
def route() -> Route:
    made = build.route(group_interval=10)
    made.sinks.add(build.sink())
    return made


def fire(seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    build.alert(time=now)
    pipeline.route_pending(now)


def test_what_waits_is_told_together_with_what_is_new(route: Route) -> None:
    for seconds in (0, 20, 40):
        fire(seconds)
    first, second, third = Delivery.objects.order_by("pk")
    assert (first.state, second.state, third.state) == ("folded", "folded", "queued")
    assert (first.folded_into, second.folded_into) == (third, third)
    assert (third.alert_count, len(third.alert_ids)) == (3, 3)
    assert third.reason == "first alert of the group"


def test_what_is_being_sent_or_was_sent_is_left_alone(route: Route) -> None:
    fire(0)
    Delivery.objects.update(state="sending", claim=uuid4())
    fire(20)
    Delivery.objects.filter(state="queued").update(state="sent")
    fire(40)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["sending", "sent", "queued"]
    newest = Delivery.objects.order_by("pk").last()
    assert newest is not None
    assert newest.alert_count == 1


def test_other_groups_other_sinks_and_other_events_are_left_alone(route: Route) -> None:
    fire(0)
    Delivery.objects.update(event="resolved")
    Route.objects.update(group_by=["alert.hostname"])
    build.alert(hostname="elsewhere")
    pipeline.route_pending(NOW)
    Route.objects.update(group_by=["alert.rule"])
    fire(40)
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["queued"] * 3


def test_nothing_is_folded_over_the_end_of_a_group(route: Route) -> None:
    Route.objects.update(resolve_after=60)
    fire(0)
    pipeline.flush_due(NOW + timedelta(seconds=60))
    fire(100)
    fire(120)
    assert list(Delivery.objects.order_by("pk").values_list("event", "state")) == [
        ("firing", "queued"),
        ("resolved", "queued"),
        ("firing", "folded"),
        ("firing", "queued"),
    ]


def test_a_message_names_at_most_a_hundred_alerts_and_counts_all(route: Route) -> None:
    for seconds in (0, 20):
        for _ in range(80):
            build.alert(time=NOW)
        pipeline.route_pending(NOW + timedelta(seconds=seconds))
    told = Delivery.objects.get(state="queued")
    assert (told.alert_count, len(told.alert_ids)) == (160, 100)


@pytest.fixture
def chat() -> Sink:
    """A Slack sink that takes one message a minute, so more than none waiting is a deep queue."""
    return build.sink("slack", secrets={"webhook_url": "http://127.0.0.1:9/"}, most_per_minute=1)


def waiting(sink: Sink, host: str, **fields: Any) -> Delivery:
    """A delivery about the group of one host, with an alert of its own."""
    route = Route.objects.first() or build.route(group_by=["alert.hostname"])
    found = AlertGroup.objects.filter(key=host).first() or build.group(route, key=host, labels={"alert.hostname": host})
    alert = build.alert(hostname=host, waits=False)
    return build.owed(sink, route=route, group=found, alert_ids=[str(alert.pk)], **fields)


def claim(sink: Sink, at: datetime = NOW) -> list[Delivery]:
    return [one.delivery for one in claims.claim(Q(sink=sink), 16, at)]


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_more_than_the_limit_lets_through_goes_out_as_one_digest(chat: Sink) -> None:
    first, *rest = [waiting(chat, f"node-{number}", alert_count=2) for number in range(4)]
    told = [uuid for one in (*rest, first) for uuid in one.alert_ids]
    assert claim(chat) == [first]
    assert states() == ["sending", "folded", "folded", "folded"]
    first.refresh_from_db()
    assert (first.alert_count, first.other_groups) == (8, 3)
    assert first.alert_ids == told
    assert set(first.folded.all()) == set(rest)
    message = message_for(first, alerts_of([first]))
    assert (message.newest.hostname, message.other_groups, len(message.alerts)) == ("node-0", 3, 4)


def content(delivery: Delivery) -> tuple[list[str], int, int, str]:
    """What a receiver reads."""
    delivery.refresh_from_db()
    return delivery.alert_ids, delivery.alert_count, delivery.other_groups, delivery.reason


def test_what_was_tried_is_sent_as_it_was_and_what_is_new_goes_after_it(chat: Sink) -> None:
    first, second = waiting(chat, "node-0"), waiting(chat, "node-1")
    claim(chat)
    told = content(first)
    Delivery.objects.filter(pk=first.pk).update(state="queued")
    later = [waiting(chat, f"node-{number}", next_attempt_at=SOON) for number in (2, 3)]
    assert claim(chat, SOON) == [first]
    assert content(first) == told
    assert states() == ["sending", "folded", "queued", "queued"]
    Delivery.objects.filter(pk=first.pk).update(state="sent")
    (digest,) = claim(chat, SOON + timedelta(minutes=1))
    assert (digest, digest.other_groups, set(first.folded.all())) == (later[0], 1, {second})


@pytest.mark.parametrize("state", ["sent", "failed"])
def test_what_a_person_sends_again_is_sent_as_it_was(chat: Sink, bob: User, state: str) -> None:
    old = waiting(chat, "node-0", state=state, attempts_made=1)
    Attempt.objects.create(delivery=old, number=1, started_at=NOW)
    told = content(old)
    for number in range(1, 4):
        waiting(chat, f"node-{number}", next_attempt_at=SOON)
    assert resending.retry(old, bob, NOW)
    assert claim(chat, SOON) == [old]
    assert content(old)[:3] == told[:3]
    assert states() == ["sending", "queued", "queued", "queued"]


def test_what_was_tried_goes_on_in_a_new_message_of_its_group_with_an_id_of_its_own(chat: Sink) -> None:
    old = waiting(chat, "node-0", attempts_made=1)
    told = content(old)
    new = waiting(chat, "node-0")
    assert folding.fold([new], NOW) == 1
    assert content(old) == told
    assert (new.uuid != old.uuid, new.alert_ids) == (True, [*told[0], *content(new)[0][1:]])


def test_a_group_that_is_folded_twice_counts_once(chat: Sink) -> None:
    first = waiting(chat, "node-0")
    waiting(chat, "node-1")
    claim(chat)
    Delivery.objects.filter(pk=first.pk).update(state="queued")
    new = waiting(chat, "node-0", next_attempt_at=SOON)
    folding.fold([new], NOW)
    waiting(chat, "node-1")
    waiting(chat, "node-2")
    Delivery.objects.exclude(pk=new.pk).update(next_attempt_at=NOW + timedelta(hours=1))
    (digest,) = claim(chat, SOON)
    assert (digest, digest.other_groups, digest.alert_count) == (new, 2, 5)


def test_what_the_limit_lets_through_in_a_while_is_told_one_by_one() -> None:
    sink = build.sink("slack", secrets={"webhook_url": "http://127.0.0.1:9/"}, most_per_minute=60)
    for number in range(30):
        waiting(sink, f"node-{number}")
    assert len(claim(sink)) == 5
    waiting(sink, "one more")
    Sink.objects.update(free_at=None)
    assert len(claim(sink)) == 5
    for number in range(10):
        waiting(sink, f"further {number}")
    Sink.objects.update(free_at=None)
    Delivery.objects.filter(state="sending").update(state="sent")
    assert len(claim(sink)) == 1
    assert Delivery.objects.filter(state="folded").count() == 30


@pytest.mark.parametrize("other", [{"title": "Another rule"}, {"priority": 0}], ids=["rule", "priority"])
def test_groups_of_another_rule_or_priority_are_not_in_a_digest(chat: Sink, other: dict[str, Any]) -> None:
    waiting(chat, "node-0")
    waiting(chat, "node-1")
    AlertGroup.objects.filter(key="node-1").update(**other)
    claim(chat)
    assert states() == ["sending", "queued"]


@pytest.mark.parametrize("event", ["resolved", "acknowledged"])
def test_an_end_is_told_of_each_group(chat: Sink, event: str) -> None:
    for number in range(3):
        waiting(chat, f"node-{number}", event=event)
    waiting(chat, "node-3")
    waiting(chat, "node-4")
    Sink.objects.update(most_per_minute=3)
    assert [len(claim(chat, NOW + timedelta(seconds=20 * number))) for number in range(2)] == [1, 1]
    assert states() == ["sending", "sending", "queued", "queued", "queued"]


def test_what_goes_before_a_digest_goes_under_one_claim() -> None:
    sink = build.sink("slack", secrets={"webhook_url": "http://127.0.0.1:9/"})
    ends = [waiting(sink, f"node-{number}", event="resolved") for number in range(3)]
    firing = [waiting(sink, f"node-{number}", next_attempt_at=SOON) for number in range(3, 40)]
    assert claim(sink, SOON) == ends
    Delivery.objects.filter(state="sending").update(state="sent")
    Sink.objects.update(free_at=None)
    assert claim(sink, SOON) == firing[:1]
    assert states() == ["sent"] * 3 + ["sending"] + ["folded"] * 36


def test_a_group_whose_message_the_sink_changes_or_answers_is_told_by_itself(chat: Sink) -> None:
    known, *others = [waiting(chat, f"node-{number}") for number in range(3)]
    further = waiting(chat, "node-3", next_attempt_at=SOON)
    for one in (known, further):
        Receipt.objects.create(sink=chat, group_id=one.group_id, said={"ts": "1.2"})
    assert claim(chat) == [known]
    assert states() == ["sending", "queued", "queued", "queued"]
    assert claim(chat, SOON + timedelta(minutes=1)) == others[:1]
    assert states() == ["sending", "sending", "folded", "queued"]


def test_what_another_sink_remembers_of_a_group_is_no_matter(chat: Sink) -> None:
    other = build.sink("slack", name="other")
    for one in [waiting(chat, f"node-{number}") for number in range(2)]:
        Receipt.objects.create(sink=other, group_id=one.group_id, said={"ts": "1.2"})
    claim(chat)
    assert states() == ["sending", "folded"]


def test_what_waits_for_a_message_before_it_is_in_no_digest(chat: Sink) -> None:
    waiting(chat, "node-0")
    waiting(chat, "node-1", state="sending")
    waiting(chat, "node-1")
    waiting(chat, "node-2")
    claim(chat)
    assert states() == ["sending", "sending", "queued", "folded"]


def test_what_follows_in_a_folded_group_waits_for_the_digest(chat: Sink) -> None:
    digest = waiting(chat, "node-0")
    waiting(chat, "node-1")
    claim(chat)
    end = waiting(chat, "node-1", event="resolved")
    later = NOW + timedelta(minutes=5)
    assert claim(chat, later) == []
    Delivery.objects.filter(pk=digest.pk).update(state="sent")
    assert claim(chat, later) == [end]


def test_what_was_folded_into_what_is_folded_stands_in_the_last(chat: Sink) -> None:
    first = waiting(chat, "node-0")
    inner = waiting(chat, "node-1")
    claim(chat)
    Delivery.objects.filter(pk=first.pk).update(state="queued", next_attempt_at=NOW + timedelta(hours=1))
    last = waiting(chat, "node-2")
    waiting(chat, "node-3")
    (sent,) = claim(chat, NOW + timedelta(minutes=1))
    inner.refresh_from_db()
    sent.refresh_from_db()
    assert (sent, inner.folded_into, sent.other_groups, sent.alert_count) == (last, last, 3, 4)


def test_a_receiver_that_keeps_something_for_each_group_gets_no_digest() -> None:
    sink = build.sink("pagerduty", secrets={"routing_key": "k"}, most_per_minute=1)
    for number in range(3):
        waiting(sink, f"node-{number}")
    assert len(claim(sink)) == 1
    assert states() == ["sending", "queued", "queued"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_digest_waits_for_nobody() -> None:
    sink = build.sink("slack", secrets={"webhook_url": "http://127.0.0.1:9/"}, most_per_minute=1)
    _, busy, _ = [waiting(sink, f"node-{number}") for number in range(3)]

    def claimed() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '200ms'")
            claim(sink)

    with transaction.atomic():
        Delivery.objects.select_for_update().get(pk=busy.pk)
        elsewhere(claimed).result(WAIT)
    assert states() == ["sending", "queued", "folded"]


def test_what_is_sent_again_does_not_wait_for_a_message_that_waits_for_it(route: Route, bob: User) -> None:
    fire(0)
    Delivery.objects.update(state="sent")
    fire(20)
    Delivery.objects.update(state="sent")
    first, second = Delivery.objects.order_by("pk")
    assert resending.retry(first, bob, NOW)
    fire(40)
    assert states() == ["folded", "sent", "queued"]
    assert resending.retry(second, bob, NOW)
    assert claim(second.sink, NOW + timedelta(seconds=40)) == [second]


@pytest.mark.skipif(connection.vendor == "postgresql", reason="it chooses by what it counted")
def test_the_first_of_a_group_is_found_by_its_index(chat: Sink) -> None:
    assert "delivery_in_order" in claims.ready(NOW).filter(sink=chat).explain()
