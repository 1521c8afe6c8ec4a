from typing import Any

import pytest
from django.test import Client

from routing.models import AuditEntry, Route
from tests import build
from tests.routing.api.asking import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]


@pytest.fixture
def editor(client: Client) -> Caller:
    return Caller(client, "editor")


def made(editor: Caller, name: str = "a route", **facts: Any) -> Any:
    return editor.json("POST", "/routes", {"name": name, **facts})


def test_what_a_route_says_is_stored_and_answered(editor: Caller) -> None:
    build.sink(name="slack")
    facts = {
        "condition": "alert.priority >= error",
        "continues": True,
        "enabled": False,
        "dry_run": True,
        "group_by": ["alert.rule"],
        "group_wait": 0,
        "group_interval": 60,
        "repeat_interval": 0,
        "resolve_after": 600,
        "sinks": ["slack"],
        "actions": [],
        "mute_in": [],
        "active_in": [],
        "escalation": [{"after": 900, "sinks": ["slack"]}],
    }
    route = made(editor, **facts)
    stored = Route.objects.get()
    assert route == {
        "id": stored.pk,
        "version": 1,
        "path": ["a route"],
        "parent": None,
        "position": 1,
        "name": "a route",
        **facts,
    }
    assert editor.get(f"/routes/{stored.pk}") == route
    assert AuditEntry.objects.get().actor == "token editor token"


def test_what_a_route_leaves_empty_it_has_from_the_one_above(editor: Caller) -> None:
    made(editor, "top", group_wait=7)
    low = made(editor, "low", parent="top")
    assert (low["group_wait"], low["group_by"], low["path"]) == (None, None, ["top", "low"])


def test_routes_are_listed_in_the_order_of_the_walk(editor: Caller) -> None:
    for name, parent in (("a", None), ("b", None), ("a1", "a"), ("a2", "a"), ("a11", "a1")):
        made(editor, name, parent=parent)
    paths = ["/".join(item["path"]) for item in editor.get("/routes")["items"]]
    assert paths == ["a", "a/a1", "a/a1/a11", "a/a2", "b"]


def test_a_change_from_an_older_version_is_a_conflict(editor: Caller) -> None:
    one = f"/routes/{made(editor)['id']}"
    assert editor.json("PATCH", one, {"group_wait": 1, "version": 1})["version"] == 2
    for method, body in (("PATCH", {"group_wait": 2}), ("PUT", {"name": "a route"})):
        status, problem = editor.refusal(method, one, {**body, "version": 1})
        assert (status, problem["detail"]) == (409, "Somebody changed this route in the meantime; load it again.")
    assert editor.get(one)["group_wait"] == 1
    assert editor.json("PATCH", one, {"group_wait": 2})["version"] == 3


def test_putting_says_everything_anew_and_leaves_the_route_at_its_place(editor: Caller) -> None:
    made(editor, "first")
    route = made(editor, "second", condition="alert.rule = x", group_wait=5)
    made(editor, "third")
    put = editor.json("PUT", f"/routes/{route['id']}", {"name": "renamed"})
    assert (put["name"], put["condition"], put["group_wait"], put["position"]) == ("renamed", "", None, 2)


def test_moving_changes_the_order_and_the_versions(editor: Caller) -> None:
    a, b = made(editor, "a"), made(editor, "b")
    moved = editor.json("POST", f"/routes/{b['id']}/move", {"places": -1})
    assert (moved["position"], moved["version"]) == (1, 2)
    assert [item["id"] for item in editor.get("/routes")["items"]] == [b["id"], a["id"]]
    assert editor.get("/routes")["items"][0] == moved
    assert editor.json("PATCH", f"/routes/{b['id']}", {"name": "c"}) == editor.get("/routes")["items"][0]


def test_versions_are_listed_and_restored(editor: Caller) -> None:
    route = made(editor)
    one = f"/routes/{route['id']}"
    for wait in (1, 2, 3):
        editor.json("PATCH", one, {"group_wait": wait})
    page = editor.get(f"{one}/versions", limit=3)
    assert [(item["number"], item["facts"]["group_wait"]) for item in page["items"]] == [(4, 3), (3, 2), (2, 1)]
    assert page["items"][0]["by"] == "token editor token"
    assert [item["number"] for item in editor.get(f"{one}/versions", before=page["next"])["items"]] == [1]
    restored = editor.json("POST", f"{one}/restore/2")
    assert (restored["group_wait"], restored["version"]) == (1, 5)
    assert editor.refusal("POST", f"{one}/restore/99")[0] == 404


def test_what_cannot_be_is_refused_with_its_field_and_place(editor: Caller) -> None:
    status, problem = editor.refusal("POST", "/routes", {"name": "x", "condition": "alert.rule = x and\nalert.rul = y"})
    assert status == 422
    wrong = problem["errors"][0]
    assert (wrong["field"], wrong["line"], wrong["column"], wrong["hint"]) == (
        "condition",
        2,
        1,
        "did you mean alert.rule?",
    )
    for body in ({"sinks": ["nobody"]}, {"position": 2**31}, {"group_wait": -1}, {"parent": "nobody"}):
        status, problem = editor.refusal("POST", "/routes", {"name": "x", **body})
        assert (status, problem["errors"][0]["field"]) == (422, next(iter(body)))
    assert editor.refusal("POST", "/routes", {"name": "x", "sink": ["slack"]})[0] == 422
    assert not Route.objects.exists()


def test_a_route_with_others_beneath_is_not_deleted(editor: Caller) -> None:
    top, low = made(editor, "top"), made(editor, "low", parent="top")
    assert editor.refusal("DELETE", f"/routes/{top['id']}")[0] == 422
    for route in (low, top):
        assert editor.ask("DELETE", f"/routes/{route['id']}").status_code == 204
    assert not Route.objects.exists()


def test_who_may_not_edit_only_reads(client: Client, editor: Caller) -> None:
    one = f"/routes/{made(editor)['id']}"
    viewer = Caller(client, "viewer")
    assert viewer.get(one)["name"] == "a route"
    assert len(viewer.get(f"{one}/versions")["items"]) == 1
    for method, path, body in (
        ("POST", "/routes", {"name": "x"}),
        ("PUT", one, {"name": "x"}),
        ("PATCH", one, {"name": "x"}),
        ("DELETE", one, None),
        ("POST", f"{one}/move", {"places": 1}),
        ("POST", f"{one}/restore/1", None),
    ):
        assert viewer.refusal(method, path, body)[0] == 403
    assert viewer.refusal("GET", "/routes/99999999999999999999")[0] == 404
