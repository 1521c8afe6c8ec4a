from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from routing.models import Token
from tests import build
from tests.build import NOW
from tests.routing.api.asking import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]
PATH = "/routes/simulate"


@pytest.fixture
def viewer(client: Client) -> Caller:
    return Caller(client, "viewer")


def rows() -> dict[str, list[Any]]:
    """Everything that is stored, but for when tokens were used."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_app_config("routing").get_models()
        if model is not Token
    }


def test_a_posted_alert_walks_the_stored_tree(viewer: Caller) -> None:
    route = build.route(condition="proc.name = cat")
    route.sinks.add(build.sink())
    build.route(name="rest", position=2)
    one = viewer.json("POST", PATH, {"alert": build.posted()})["one"]
    first, rest = one["walk"]
    assert (first["path"], first["match"]) == (["everything"], "matches")
    assert first["parts"]["text"] == "proc.name = cat"
    assert (first["parts"]["held"], first["parts"]["value"]) == (True, "'cat'")
    assert rest["match"] == "an earlier route matched and does not continue"
    (taken,) = one["taken"]
    assert taken["group"] == {
        "id": None,
        "labels": {"alert.rule": "Read sensitive file"},
        "state": "firing",
        "count": 1,
    }
    assert [(message["sink"], message["state"]) for message in taken["messages"]] == [("a webhook", "queued")]


def test_a_draft_is_tried_in_place_of_the_stored_tree(viewer: Caller) -> None:
    build.route()
    draft = [{"name": "top", "routes": [{"name": "low", "condition": "proc.name = cat"}]}]
    one = viewer.json("POST", PATH, {"alert": build.posted(), "routes": draft})["one"]
    assert [taken["path"] for taken in one["taken"]] == [["top", "low"]]
    assert viewer.json("POST", PATH, {"alert": build.posted(), "routes": []})["one"]["taken"] == []


def test_a_stored_alert_and_the_last_hours_are_tried(viewer: Caller) -> None:
    build.route()
    alert = build.alert()
    assert viewer.json("POST", PATH, {"uuid": str(alert.uuid)})["one"]["uuid"] == str(alert.uuid)
    recent = viewer.json("POST", PATH, {"hours": 24})["recent"]
    assert (recent["tried"], recent["of"], recent["whole"], recent["routes"][0]["alerts"]) == (1, 1, True, 1)
    assert viewer.refusal("POST", PATH, {"uuid": "01a20866-f9fb-7cc2-94d1-67d8cf42ae79"})[0] == 404


def test_a_moment_can_be_named(viewer: Caller) -> None:
    build.route()
    one = viewer.json("POST", PATH, {"alert": build.posted(), "at": "2026-12-24T20:00:00Z"})["one"]
    assert one["taken"][0]["told_at"] == "2026-12-24T20:00:00Z"


def test_trying_writes_nothing(viewer: Caller) -> None:
    sensor = build.sensor()
    route = build.route()
    route.sinks.add(build.sink())
    route.actions.add(build.action(mode="automatic"))
    group = build.group(route, told_at=NOW - timedelta(hours=9), told_count=1)
    group.members.create(alert=build.alert(sensor=sensor, own_node=True), routed_at=NOW, route_version=1)
    before = rows()
    alert = str(group.members.get().alert_id)
    for asked in ({"alert": build.posted()}, {"uuid": alert}, {"hours": 1}):
        for draft in ({}, {"routes": [{"name": "everything", "sinks": ["a webhook"]}]}):
            viewer.json("POST", PATH, {**asked, **draft})
    assert rows() == before


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "body.asked"),
        ({"uuid": "01a20866-f9fb-7cc2-94d1-67d8cf42ae79", "hours": 1}, "body.asked"),
        ({"hours": 169}, "body.asked.hours"),
        ({"hours": 1, "most": 5_001}, "body.asked.most"),
        ({"alert": {"rule": "x"}}, "alert"),
        ({"alert": {"rule": "x", "priority": "loud"}}, "alert"),
        (
            {"hours": 1, "routes": [{"name": "top", "routes": [{"name": "x", "sinks": ["no"]}]}]},
            "routes.0.routes.0.sinks",
        ),
        ({"hours": 1, "routes": [{"name": "x", "condition": "alert.rul = x"}]}, "routes.0.condition"),
        ({"hours": 1, "routes": [{"name": "x", "sink": []}]}, "body.asked.routes.0.sink"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_its_place(viewer: Caller, asked: dict[str, Any], field: str) -> None:
    status, problem = viewer.refusal("POST", PATH, asked)
    assert (status, problem["errors"][0]["field"]) == (422, field)


def test_a_sensor_tries_nothing(client: Client) -> None:
    assert Caller(client, "sensor").refusal("POST", PATH, {"hours": 1})[0] == 403
