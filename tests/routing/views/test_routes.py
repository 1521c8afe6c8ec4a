"""The ordered list of routes and its form."""

from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing.models import AuditEntry, Route
from tests import build
from tests.routing.views.conftest import Page

NEW = {
    "name": "Critical",
    "condition": "alert.priority >= critical",
    "enabled": "on",
    "group_by": "alert.rule, alert.hostname",
    "group_wait": "0",
    "group_interval": "5min",
    "repeat_interval": "4h",
    "resolve_after": "1h",
}


def test_a_new_route_goes_to_the_end_with_its_sinks_and_actions(as_user, erin) -> None:
    build.route(position=7)
    sink, action = build.sink("slack"), build.action()
    answer = as_user(erin).post("/routes/new/", {**NEW, "sinks": [sink.pk], "actions": [action.pk]})
    assert answer.url == "/routes/"
    route = Route.objects.get(name="Critical")
    assert (route.position, route.group_wait, route.group_interval, route.repeat_interval) == (8, 0, 300, 14_400)
    assert route.group_by == ["alert.rule", "alert.hostname"]
    assert [*route.sinks.all(), *route.actions.all()] == [sink, action]
    assert AuditEntry.objects.get(verb="create").after["sinks"] == ["a slack"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"condition": "alert.priority >= "}, "Line 1"),
        ({"condition": "alert.rul = x"}, "did you mean alert.rule?"),
        (
            {"group_by": "alert.rule, alert.hostnam"},
            "alert.hostnam is not a field of alerts; did you mean alert.hostname",
        ),
        ({"group_by": "alert.rule or true"}, "is not a field of alerts"),
        ({"group_wait": "soon"}, "is not a length of time"),
        ({"resolve_after": "9d"}, "At most 7 days"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(changed: dict[str, str], said: str, as_user, erin) -> None:
    answer = as_user(erin).post("/routes/new/", {**NEW, **changed})
    assert said in answer.content.decode()
    assert not Route.objects.exists()


def test_a_wrong_condition_is_shown_with_its_caret(as_user, erin) -> None:
    answer = as_user(erin).post("/routes/new/", {**NEW, "condition": "alert.rule = x and\nalert.rul = y"})
    caret = Page(answer.content.decode()).all("pre")[0].text
    assert caret.startswith("Line 2, column 1:")
    assert caret.splitlines()[-2:] == ["alert.rul = y", "^^^^^^^^^"]


def test_an_edit_counts_the_version_up_and_is_remembered(as_user, erin) -> None:
    route = build.route(name="Critical")
    client = as_user(erin)
    assert 'value="4h"' in client.get(f"/routes/{route.pk}/").content.decode()
    client.post(f"/routes/{route.pk}/", {**NEW, "name": "Renamed"})
    route.refresh_from_db()
    assert (route.name, route.version) == ("Renamed", 2)
    entry = AuditEntry.objects.get(verb="edit")
    assert (entry.before["name"], entry.after["name"]) == ("Critical", "Renamed")


def test_moving_swaps_neighbours_and_stops_at_the_ends(as_user, erin) -> None:
    a, b, c = (build.route(name=name, position=position) for name, position in (("a", 10), ("b", 10), ("c", 1000)))
    client = as_user(erin)

    def moved(route: Route, to: str) -> list[str]:
        client.post(f"/routes/{route.pk}/move/", {"to": to})
        return list(Route.objects.values_list("name", flat=True))

    assert moved(c, "up") == ["a", "c", "b"]
    assert moved(a, "up") == ["a", "c", "b"]
    assert moved(b, "down") == ["a", "c", "b"]
    assert moved(a, "down") == ["c", "a", "b"]
    assert AuditEntry.objects.filter(verb="move").count() == 2


def test_the_routes_are_shown_in_the_order_alerts_walk_them(as_user, carol) -> None:
    build.route(name="last", position=30)
    build.route(name="first", position=10)
    build.route(name="second", position=20)
    page = as_user(carol).get("/routes/").content.decode()
    assert page.index(">first<") < page.index(">second<") < page.index(">last<")


def test_a_tried_alert_shows_which_routes_take_it_and_why_not(as_user, carol) -> None:
    build.route(name="First", position=1, condition="alert.priority >= critical")
    build.route(name="Second", position=2)
    build.route(name="Third", position=3)
    alert = build.alert("warning", time=timezone.now())
    text = as_user(carol).get(f"/routes/?alert={alert.uuid}").content.decode()
    assert text.index("the condition does not hold") < text.index(">matches<") < text.index("an earlier route matched")


def test_a_route_that_hides_those_below_it_is_pointed_out(as_user, carol) -> None:
    build.route(name="All of it", position=1)
    assert "is ever reached" not in as_user(carol).get("/routes/").content.decode()
    build.route(name="Never", position=2)
    assert "no route below it is ever reached" in as_user(carol).get("/routes/").content.decode()


def test_deleting_keeps_the_alerts(as_user, erin, world: SimpleNamespace) -> None:
    as_user(erin).post(f"/routes/{world.route.pk}/delete/")
    assert not Route.objects.exists()
    world.alert.refresh_from_db()
    assert AuditEntry.objects.get(verb="delete").before["name"] == "Production"
