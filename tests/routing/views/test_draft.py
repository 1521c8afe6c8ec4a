"""Trying a route on its page before it is saved."""

from typing import Any

import pytest
from django.utils import timezone

from routing.models import Route, RouteVersion, Sink
from routing.views.draft import Change, Effect
from tests import build

pytestmark = pytest.mark.django_db
TEXT = {"group_by": "alert.rule", "enabled": "on", "try": "1"}


@pytest.fixture
def stored() -> Route:
    """One that takes everything and leads to a sink; two alerts of a rule, one of another."""
    route = build.route(name="everything")
    route.sinks.add(build.sink(name="team"))
    for rule in ("Read", "Read", "Shell"):
        build.alert(rule=rule, time=timezone.now())
    return route


def tried(answer: Any) -> Effect:
    assert answer.status_code == 200
    found: Effect = answer.context["effect"]
    assert "On the last 24 h" in answer.content.decode()
    return found


def test_a_new_route_stands_where_saving_puts_it_and_says_what_it_takes_over(stored: Route, as_user, erin) -> None:
    boss = build.sink(name="boss")
    data = {**TEXT, "name": "shells", "condition": "alert.rule = Shell", "sinks": [boss.pk]}
    effect = tried(as_user(erin).post("/routes/new/", data))
    assert effect.routes == [Change("everything", 3, 2), Change("shells", 0, 1)]
    assert effect.sinks == [Change("boss", 0, 1), Change("team", 2, 1)]
    assert effect.found.moved == 1
    assert effect.unrouted == Change("no route", 0, 0)
    assert Route.objects.get() == stored


def test_an_edit_is_tried_in_place_and_nothing_is_saved(stored: Route, as_user, erin) -> None:
    build.route(name="behind", position=2)
    data = {**TEXT, "name": "reads", "condition": "alert.rule = Read", "sinks": [Sink.objects.get().pk], "version": 1}
    effect = tried(as_user(erin).post(f"/routes/{stored.pk}/", data))
    assert effect.routes == [Change("behind", 0, 1), Change("everything", 3, 0), Change("reads", 0, 2)]
    assert effect.sinks == [Change("team", 2, 1)]
    stored.refresh_from_db()
    assert (stored.name, stored.condition, stored.version) == ("everything", "", 1)
    assert not RouteVersion.objects.exists()


def test_what_would_reach_nobody_is_said_and_a_dry_run_tells_nobody(stored: Route, as_user, erin) -> None:
    data = {**TEXT, "name": "everything", "condition": "alert.rule = Read", "dry_run": "on"}
    data |= {"sinks": [Sink.objects.get().pk]}
    answer = as_user(erin).post(f"/routes/{stored.pk}/", data)
    assert tried(answer).unrouted == Change("no route", 0, 1)
    assert tried(answer).sinks == [Change("team", 2, 0)]
    assert "no route: nobody is told" in answer.content.decode()


def test_what_stands_beneath_a_route_follows_its_new_name(stored: Route, as_user, erin) -> None:
    build.route(name="below", parent=stored, condition="alert.rule = Shell")
    effect = tried(as_user(erin).post(f"/routes/{stored.pk}/", {**TEXT, "name": "all"}))
    assert [change.name for change in effect.routes] == ["all", "all / below", "everything", "everything / below"]


def test_what_cannot_be_is_said_in_the_form(stored: Route, as_user, erin) -> None:
    answer = as_user(erin).post("/routes/new/", {**TEXT, "name": "x", "condition": "alert.rul = x"})
    assert answer.context["effect"] is None
    assert "did you mean alert.rule?" in answer.content.decode()
