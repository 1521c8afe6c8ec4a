from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from routing.models import AuditEntry, Silence
from tests import build
from tests.build import NOW
from tests.routing.api.asking import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]
LATER = "2026-11-23T14:00:00Z"


@pytest.fixture
def responder(client: Client) -> Caller:
    return Caller(client, "responder")


def made(caller: Caller, **facts: Any) -> Any:
    return caller.json("POST", "/silences", {"condition": "alert.rule = x", "ends_at": LATER, "comment": "w", **facts})


def test_a_token_silences_extends_and_ends(responder: Caller) -> None:
    silence = made(responder)
    one = f"/silences/{silence['id']}"
    assert (silence["state"], silence["by"], silence["ends_at"]) == ("active", "token responder token", LATER)
    assert responder.json("POST", f"{one}/extend", {"ends_at": "2026-11-23T16:00:00Z"})["ends_at"][11:13] == "16"
    assert responder.json("POST", f"{one}/expire")["state"] == "expired"
    assert responder.get(one)["state"] == "expired"
    assert "ended already" in responder.refusal("POST", f"{one}/expire")[1]["detail"]
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == ["silence", "extend", "end"]


def test_silences_are_listed_by_state_in_pages(responder: Caller) -> None:
    old = Silence.objects.create(condition="alert.rule = x", starts_at=NOW - timedelta(2), ends_at=NOW, created_at=NOW)
    ids = [made(responder)["id"] for _ in range(3)]
    coming = made(responder, starts_at="2026-11-23T13:00:00Z")
    assert coming["state"] == "scheduled"
    page = responder.get("/silences", state="active", limit=2)
    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    page = responder.get("/silences", state="active", limit=2, before=page["next"])
    assert ([item["id"] for item in page["items"]], page["next"]) == ([ids[0]], None)
    assert [item["id"] for item in responder.get("/silences", state="scheduled")["items"]] == [coming["id"]]
    assert [item["id"] for item in responder.get("/silences", state="expired")["items"]] == [old.pk]
    assert len(responder.get("/silences")["items"]) == 5


def test_a_preview_says_what_would_be_hidden_and_stores_nothing(responder: Caller) -> None:
    alert = build.alert(rule="x")
    build.alert(rule="y")
    group = build.group(build.route(), title="x")
    group.members.create(alert=alert, routed_at=NOW, route_version=1)
    effect = responder.json("POST", "/silences/preview", {"condition": "alert.rule = x"})
    assert (effect["matched"], effect["tried"], effect["whole"]) == (1, 2, True)
    assert [item["uuid"] for item in effect["examples"]] == [str(alert.uuid)]
    assert effect["firing"] == [{"id": group.pk, "title": "x", "labels": group.labels}]
    assert not Silence.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"condition": "alert.rul = x"}, "condition", "did you mean alert.rule"),
        ({"condition": ""}, "", "would hide everything"),
        ({"ends_at": "2026-11-23T11:00:00Z"}, "", "must end after it starts"),
        ({"ends_at": "2026-11-23T14:00:00"}, "body.said.ends_at", "does not say"),
        ({"ends_at": "9999-12-31T23:59:59Z"}, "body.said.ends_at", "does not say"),
        ({"endsAt": LATER}, "body.said.endsAt", "does not say"),
    ],
)
def test_what_cannot_be_is_refused(responder: Caller, changes: dict[str, Any], field: str, said: str) -> None:
    facts = {"condition": "alert.rule = x", "ends_at": LATER, **changes}
    status, problem = responder.refusal("POST", "/silences", facts)
    assert (status, problem["errors"][0]["field"]) == (422, field)
    assert said in problem["detail"]


def test_a_preview_points_at_what_is_wrong(responder: Caller) -> None:
    assert responder.refusal("POST", "/silences/preview", {"condition": " "})[0] == 422
    status, problem = responder.refusal("POST", "/silences/preview", {"condition": "alert.rul = x"})
    assert (status, problem["errors"][0]["column"]) == (422, 1)


def test_who_may_not_respond_only_reads(client: Client, responder: Caller) -> None:
    one = f"/silences/{made(responder)['id']}"
    viewer = Caller(client, "viewer")
    assert viewer.get(one)["state"] == "active"
    for method, path, body in (
        ("POST", "/silences", {"condition": "alert.rule = x", "ends_at": LATER}),
        ("POST", f"{one}/extend", {"ends_at": LATER}),
        ("POST", f"{one}/expire", None),
    ):
        assert viewer.refusal(method, path, body)[0] == 403
