import json
from datetime import timedelta

import pytest

from routing import deliveries, outbound, pipeline, receipts
from routing.models import AlertGroup, Delivery, Receipt, Sink
from routing.outbound import Answer
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def owed():
    """Deliveries of two sinks about two groups, and a test message."""
    route = build.route()
    groups = [build.group(route, key=letter * 64) for letter in "ab"]
    one, other = build.sink(name="one"), build.sink(name="other")
    common = {"reason": "r", "next_attempt_at": build.NOW, "created_at": build.NOW}
    return [
        Delivery.objects.create(sink=sink, group=group, **common)
        for sink, group in ((one, groups[0]), (one, groups[1]), (one, None), (other, groups[0]))
    ]


def test_a_receipt_is_given_back_to_its_sink_for_its_group(owed):
    first, second, test, elsewhere = owed
    receipts.keep(first.sink_id, {first.group_id: {"ts": "1.2"}})
    assert receipts.of([first, second, test]) == {first.group_id: {"ts": "1.2"}}
    assert receipts.of([elsewhere]) == {}
    assert receipts.of([test]) == {}


def test_a_later_receipt_takes_the_place_of_the_earlier_one(owed):
    first, second, *_ = owed
    receipts.keep(first.sink_id, {first.group_id: {"ts": "1.2", "more": "x"}, second.group_id: {"ts": "7.8"}})
    receipts.keep(first.sink_id, {first.group_id: {"ts": "3.4"}})
    assert receipts.of([first, second]) == {first.group_id: {"ts": "3.4"}, second.group_id: {"ts": "7.8"}}


def test_an_empty_receipt_forgets(owed):
    first, second, _, elsewhere = owed
    for delivery in (first, second, elsewhere):
        receipts.keep(delivery.sink_id, {delivery.group_id: {"ts": "1.2"}})
    receipts.keep(first.sink_id, {first.group_id: {}})
    assert receipts.of([first, second]) == {second.group_id: {"ts": "1.2"}}
    assert Receipt.objects.count() == 2


def test_nothing_to_keep_asks_the_database_nothing(owed, django_assert_num_queries):
    with django_assert_num_queries(0):
        receipts.keep(owed[0].sink_id, {})


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({}, True),
        ({"other_groups": 1}, False),
        ({"reason": "first alert of the group", "attempts_made": 1}, False),
        ({"reason": "first alert of the group", "attempts_made": 2}, True),
        ({"reason": "first alert of the group", "event": "resolved"}, True),
    ],
    ids=["usual", "digest", "beginning", "beginning tried again", "end"],
)
def test_a_digest_and_a_new_beginning_stand_alone(owed, changes, given):
    receipts.keep(owed[0].sink_id, {owed[0].group_id: {"ts": "1.2"}})
    Delivery.objects.filter(pk=owed[0].pk).update(**changes)
    owed[0].refresh_from_db()
    assert bool(receipts.of([owed[0]])) is given
    assert Receipt.objects.exists() is (given or "other_groups" in changes)


def test_what_ended_and_fires_again_begins_anew_once_its_end_was_told(owed):
    first, second, _, elsewhere = owed
    for delivery in (first, second, elsewhere):
        receipts.keep(delivery.sink_id, {delivery.group_id: {"ts": "1.2"}})
    first.event = "resolved"
    first.save()
    group = AlertGroup.objects.get(pk=first.group_id)
    receipts.forget([group])
    assert set(Receipt.objects.values_list("sink", "group")) == {
        (first.sink_id, first.group_id),
        (second.sink_id, second.group_id),
    }
    Delivery.objects.filter(pk=first.pk).update(state="sent")
    receipts.forget([group])
    assert Receipt.objects.get().group_id == second.group_id


def test_nothing_that_ended_asks_the_database_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        receipts.forget([])


@pytest.fixture
def chat(monkeypatch):
    """A Slack sink of a bot with a route by hosts, and what it was asked: the method, which message, and its text."""
    asked = []

    def request(method, url, *, body=b"", **_):
        said = json.loads(body)
        asked.append((url.rsplit("/", 1)[1], said.get("ts") or said.get("thread_ts"), said["text"]))
        answer = {"ok": True, "channel": "C1", "ts": said.get("ts") or f"{len(asked)}.0"}
        return Answer(200, {}, json.dumps(answer).encode(), 0.01)

    monkeypatch.setattr(outbound, "request", request)
    sink = build.sink("slack", config={"channel": "#sec"}, secrets={"bot_token": "xoxb-1234567890"})
    build.route(group_by=["alert.hostname"], group_interval=10, resolve_after=60).sinks.add(sink)
    return asked


def happens(asked, now, hosts=(), most_per_minute=4):
    """Alerts on some hosts; what the chat is asked because of them and of the time."""
    asked.clear()
    Sink.objects.update(most_per_minute=most_per_minute)
    for host in hosts:
        build.alert(hostname=host, time=now)
    pipeline.route_pending(now)
    pipeline.flush_due(now)
    for _ in range(20):
        Sink.objects.update(free_at=None)
        deliveries.send_next(Sink.objects.get().pk, 10, now + timedelta(seconds=1))
    return [(method, place) for method, place, _ in asked]


def test_the_end_of_every_group_shows_in_its_own_message(chat):
    hosts = [f"node-{number}" for number in range(6)]
    happens(chat, build.NOW, hosts, most_per_minute=600)
    assert Receipt.objects.count() == 6
    told = happens(chat, build.NOW + timedelta(seconds=70))
    assert sorted(place for method, place in told if method == "chat.update") == [f"{n}.0" for n in range(1, 7)]
    assert not Receipt.objects.exists()


def test_what_fires_again_is_told_in_the_channel_though_its_end_was_not(chat):
    happens(chat, build.NOW, ["node-0"])
    AlertGroup.objects.update(state="resolved", resolved_at=build.NOW)
    assert happens(chat, build.NOW + timedelta(days=5), ["node-0"]) == [("chat.postMessage", None)]


def test_what_an_escalation_told_before_the_end_is_forgotten_too(chat):
    happens(chat, build.NOW, ["node-0"])
    AlertGroup.objects.update(state="resolved", resolved_at=build.NOW)
    build.alert(hostname="node-0", time=build.NOW)
    pipeline.route_pending(build.NOW)
    assert not Receipt.objects.exists()


def test_an_end_that_is_late_still_shows_in_its_message_and_the_beginning_after_it_is_new(chat):
    happens(chat, build.NOW, ["node-0"])
    later = build.NOW + timedelta(seconds=70)
    Sink.objects.update(enabled=False)
    happens(chat, later)
    Sink.objects.update(enabled=True)
    told = happens(chat, later + timedelta(seconds=1), ["node-0"])
    assert told == [("chat.update", "1.0"), ("chat.postMessage", "1.0"), ("chat.postMessage", None)]
    assert Receipt.objects.get().said["ts"] == "3.0"


def test_a_digest_is_a_message_of_its_own_which_nothing_changes_later(chat):
    happens(chat, build.NOW, ["node-0"])
    hosts = [f"node-{number}" for number in range(5)]
    now = build.NOW + timedelta(seconds=20)
    told = happens(chat, now, hosts)
    assert sorted(told, key=str) == [("chat.postMessage", "1.0"), ("chat.postMessage", None), ("chat.update", "1.0")]
    assert any("from 3 other groups" in text for _, _, text in chat)
    assert Receipt.objects.get().group.labels == {"alert.hostname": "node-0"}
    told = happens(chat, now + timedelta(seconds=20), ["node-1"])
    assert told == [("chat.postMessage", None)]
