from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from routing import resending
from routing.models import Attempt, AuditEntry, Delivery, Sink
from tests import build
from tests.build import NOW, owed
from tests.routing.api.asking import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]


@pytest.fixture
def responder(client: Client) -> Caller:
    return Caller(client, "responder")


@pytest.fixture
def sink() -> Sink:
    return build.sink(secrets={"url": "http://127.0.0.1/secret"})


def states() -> dict[int, str]:
    return dict(Delivery.objects.values_list("pk", "state"))


def test_deliveries_are_listed_newest_first_in_pages(responder: Caller, sink: Sink) -> None:
    ids = [owed(sink, created_at=NOW - timedelta(minutes=number // 2)).pk for number in range(5)]
    newest_first = [ids[1], ids[0], ids[3], ids[2], ids[4]]
    page = responder.get("/deliveries", limit=3)
    assert [item["id"] for item in page["items"]] == newest_first[:3]
    page = responder.get("/deliveries", limit=3, cursor=page["next"])
    assert ([item["id"] for item in page["items"]], page["next"]) == (newest_first[3:], None)


def test_they_are_narrowed_and_told_whole(responder: Caller, sink: Sink) -> None:
    group = build.group(build.route())
    owed(sink)
    delivery = owed(sink, group=group, route=group.route, state="failed", error="gone", settled_at=NOW)
    (item,) = responder.get("/deliveries", state="failed", sink=sink.name)["items"]
    assert item == {
        "id": delivery.pk,
        "uuid": str(delivery.uuid),
        "sink": {"id": sink.pk, "name": "a webhook"},
        "route": {"id": group.route_id, "name": "everything"},
        "group": {"id": group.pk, "name": "Read sensitive file"},
        "event": "firing",
        "reason": "first alert of the group",
        "state": "failed",
        "error": "gone",
        "alert_count": 1,
        "other_groups": 0,
        "attempts_made": 0,
        "created_at": "2026-11-23T12:00:00Z",
        "next_attempt_at": None,
        "settled_at": "2026-11-23T12:00:00Z",
        "folded_into": None,
    }


def test_one_is_read_with_every_try(responder: Caller, sink: Sink) -> None:
    delivery = owed(sink, alert_ids=[str(build.uuid_at(NOW))])
    for number in (2, 1):
        Attempt.objects.create(delivery=delivery, number=number, started_at=NOW, request="POST ***", response="no")
    detail = responder.get(f"/deliveries/{delivery.pk}")
    assert (detail["alerts"], detail["next_attempt_at"]) == (delivery.alert_ids, "2026-11-23T12:00:00Z")
    assert [attempt["number"] for attempt in detail["attempts"]] == [1, 2]
    assert (detail["attempts"][0]["request"], detail["attempts"][0]["response"]) == ("POST ***", "no")
    assert responder.refusal("GET", "/deliveries/999999")[0] == 404


def test_one_is_sent_again_or_discarded(responder: Caller, sink: Sink) -> None:
    delivery = owed(sink, state="failed")
    assert responder.json("POST", f"/deliveries/{delivery.pk}/retry")["state"] == "queued"
    assert responder.json("POST", f"/deliveries/{delivery.pk}/discard")["state"] == "discarded"
    remembered = AuditEntry.objects.order_by("pk").values_list("actor", "verb", "address")
    assert list(remembered) == [
        ("token responder token", "send again", "127.0.0.1"),
        ("token responder token", "discard", "127.0.0.1"),
    ]


@pytest.mark.parametrize(("verb", "state"), [("retry", "sending"), ("retry", "folded"), ("discard", "sent")])
def test_what_cannot_be_changed_any_more_is_a_conflict(responder: Caller, sink: Sink, verb: str, state: str) -> None:
    delivery = owed(sink, state=state)
    assert responder.refusal("POST", f"/deliveries/{delivery.pk}/{verb}")[0] == 409
    assert states() == {delivery.pk: state}


def test_a_range_of_dead_letters_is_sent_again_with_one_entry(responder: Caller, sink: Sink) -> None:
    group = build.group(build.route(), state="resolved")
    dead = [owed(sink, state="failed").pk, owed(sink, state="unknown").pk]
    left = {
        owed(sink, state="failed", event="test").pk: "failed",
        owed(sink, state="failed", group=group).pk: "failed",
        owed(sink, state="sent").pk: "sent",
        owed(build.sink("slack"), state="failed").pk: "failed",
    }
    answer = responder.json("POST", "/deliveries/retry", {"sink": str(sink.pk)})
    assert answer == {"count": 2, "more": False}
    assert states() == {**dict.fromkeys(dead, "queued"), **left}
    assert AuditEntry.objects.get().after["deliveries"] == 2


def test_what_was_sent_is_sent_again_where_the_range_says_so(responder: Caller, sink: Sink) -> None:
    sent, failed = owed(sink, state="sent").pk, owed(sink, state="failed").pk
    assert responder.json("POST", "/deliveries/retry", {"state": "sent", "since": "1h"})["count"] == 1
    assert states() == {sent: "queued", failed: "failed"}


def test_a_range_is_discarded_in_parts(responder: Caller, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "MOST_IN_A_RANGE", 2)
    for _ in range(3):
        owed(sink, state="failed")
    answers = [responder.json("POST", "/deliveries/discard", {"sink": sink.name}) for _ in range(2)]
    assert answers == [{"count": 2, "more": True}, {"count": 1, "more": False}]
    assert set(states().values()) == {"discarded"}


@pytest.mark.parametrize("verb", ["retry", "discard"])
@pytest.mark.parametrize("said", [{}, {"sink": " "}, {"state": "lost"}, {"since": "soon"}, {"sinks": "x"}])
def test_a_range_that_says_nothing_is_refused(responder: Caller, sink: Sink, verb: str, said: dict[str, Any]) -> None:
    delivery = owed(sink, state="failed")
    assert responder.refusal("POST", f"/deliveries/{verb}", said)[0] == 422
    assert states() == {delivery.pk: "failed"}


@pytest.mark.parametrize("asked", [{"state": "lost"}, {"limit": 0}, {"limit": 1001}, {"cursor": "x"}, {"group": "x"}])
def test_filters_that_cannot_be_read_are_refused(responder: Caller, asked: dict[str, Any]) -> None:
    assert responder.refusal("GET", "/deliveries", **asked)[0] == 422


def test_who_may_not_respond_only_reads(client: Client, sink: Sink) -> None:
    delivery = owed(sink, state="failed")
    viewer, sensor = Caller(client, "viewer"), Caller(client, "sensor")
    assert viewer.get(f"/deliveries/{delivery.pk}")["state"] == "failed"
    for path in ("retry", "discard", f"{delivery.pk}/retry", f"{delivery.pk}/discard"):
        assert viewer.refusal("POST", f"/deliveries/{path}", {"state": "failed"})[0] == 403
    assert sensor.refusal("GET", "/deliveries")[0] == 403
    assert states() == {delivery.pk: "failed"}
