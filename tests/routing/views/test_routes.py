"""The page of routes: their order, what is wrong with it, trying an alert, making, moving and deleting."""

import json
from html import unescape
from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing.models import Alert, AuditEntry, Route
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
    build.route(position=7, condition="alert.rule = x")
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


def said(answer) -> str:
    """The whole page as one line of text."""
    return " ".join(" ".join(each.text for each in Page(answer.content.decode()).all("main")).split())


def test_a_tried_alert_shows_which_routes_take_it_and_why_not(as_user, carol) -> None:
    build.route(name="First", position=1, condition="alert.priority >= critical")
    build.route(name="Second", position=2)
    build.route(name="Third", position=3)
    alert = build.alert("warning", time=timezone.now())
    text = said(as_user(carol).get(f"/routes/?alert={alert.uuid}"))
    assert (
        text.index("✗ the condition does not hold") < text.index("✓ matches") < text.index("✗ an earlier route matched")
    )
    assert "alert.priority >= critical is Warning" in text
    assert "Second takes it, in the new group alert.rule = Read sensitive file. Nobody is told: no sink." in text


def test_a_pasted_alert_is_tried_and_nothing_is_stored(as_user, carol) -> None:
    build.route(name="Shells", condition="alert.rule contains shell").sinks.add(build.sink(name="Slack"))
    pasted = json.dumps({"rule": "A shell", "priority": "Notice", "output_fields": {"proc.name": "sh"}})
    answer = as_user(carol).post("/routes/", {"text": pasted})
    assert "Slack is told just now: first alert of the group" in said(answer)
    assert not Alert.objects.exists()


def test_what_is_pasted_and_no_alert_is_said_and_kept(as_user, carol) -> None:
    build.route()
    answer = as_user(carol).post("/routes/", {"text": '{"rule": "x"}'})
    assert "priority: is missing." in said(answer)
    assert Page(answer.content.decode()).all("textarea")[0].text == '{"rule": "x"}'


def test_a_route_that_hides_those_below_it_is_pointed_out(as_user, carol) -> None:
    build.route(name="All of it", position=1)
    assert "never reached" not in said(as_user(carol).get("/routes/"))
    build.route(name="Never", position=2)
    assert "Never never reached: All of it takes everything" in said(as_user(carol).get("/routes/"))


def test_a_missing_catch_all_is_pointed_out(as_user, carol) -> None:
    route = build.route(condition="alert.rule = x")
    assert "No route takes the rest" in said(as_user(carol).get("/routes/"))
    Route.objects.filter(pk=route.pk).update(condition="")
    text = said(as_user(carol).get("/routes/"))
    assert "No route takes the rest" not in text
    assert "takes the rest" in text


def test_what_a_route_has_from_above_is_shown_as_such(as_user, carol) -> None:
    top = build.route(name="Production")
    top.sinks.add(build.sink(name="Slack"))
    build.route(name="Beneath", parent=top, group_by=None)
    text = said(as_user(carol).get("/routes/"))
    assert "Tells Slack as Production" in text
    assert "Grouped by alert.rule as Production" in text


def test_a_new_route_stands_before_the_one_that_takes_everything(as_user, erin) -> None:
    build.route(name="Rest", position=1)
    client = as_user(erin)
    answer = client.post("/routes/new/", NEW, follow=True)
    assert "It stands before Rest, which takes everything" in said(answer)
    assert list(Route.objects.values_list("name", flat=True)) == ["Critical", "Rest"]
    client.post("/routes/new/", {**NEW, "name": "Another rest", "condition": ""})
    assert list(Route.objects.values_list("name", flat=True)) == ["Critical", "Rest", "Another rest"]


def test_a_route_is_put_beneath_another_and_inherits_what_it_leaves_empty(as_user, erin) -> None:
    top = build.route(name="Production", group_wait=7)
    client = as_user(erin)
    assert "7s, as Production" in client.get(f"/routes/new/?beneath={top.pk}").content.decode()
    client.post("/routes/new/", {"name": "Beneath", "enabled": "on", "parent": top.pk})
    route = Route.objects.get(name="Beneath")
    assert (route.parent, route.group_by, route.group_wait) == (top, None, None)
    refused = client.post(f"/routes/{top.pk}/", {**NEW, "name": "Production", "parent": route.pk})
    assert "Select a valid choice" in refused.content.decode()


def test_a_change_of_what_somebody_else_changed_is_refused_and_kept_in_the_form(as_user, erin) -> None:
    route = build.route(name="Critical")
    client = as_user(erin)
    client.post(f"/routes/{route.pk}/", {**NEW, "group_wait": "9s", "version": 1})
    answer = client.post(f"/routes/{route.pk}/", {**NEW, "group_wait": "8s", "version": 1})
    assert "Somebody changed this route in the meantime" in answer.content.decode()
    assert 'value="8s"' in answer.content.decode()
    route.refresh_from_db()
    assert route.group_wait == 9


def test_deleting_keeps_the_alerts_and_the_log(as_user, erin, world: SimpleNamespace) -> None:
    client = as_user(erin)
    assert "Its 1 group that is not resolved will end" in said(client.get(f"/routes/{world.route.pk}/"))
    client.post(f"/routes/{world.route.pk}/delete/")
    assert not Route.objects.exists()
    assert "route Production, which is deleted" in said(client.get(f"/groups/{world.group.pk}/"))
    world.alert.refresh_from_db()
    assert AuditEntry.objects.get(verb="delete").before["name"] == "Production"


def test_a_route_with_others_beneath_it_is_not_deleted(as_user, erin) -> None:
    top = build.route(name="top")
    build.route(name="beneath", parent=top)
    client = as_user(erin)
    assert "Move or delete those first" in said(client.get(f"/routes/{top.pk}/"))
    answer = client.post(f"/routes/{top.pk}/delete/", follow=True)
    assert "There are routes beneath it: beneath" in said(answer)
    assert Route.objects.count() == 2


def test_an_earlier_version_is_shown_and_restored(as_user, erin, carol) -> None:
    client = as_user(erin)
    client.post("/routes/new/", NEW)
    route = Route.objects.get()
    client.post(f"/routes/{route.pk}/", {**NEW, "group_wait": "1min"})
    assert "Group wait0 s1 min" in said(as_user(carol).get(f"/routes/{route.pk}/versions/"))
    answer = as_user(erin).post(f"/routes/{route.pk}/restore/", {"number": 1}, follow=True)
    assert "Critical is again as in version 1" in said(answer)
    route.refresh_from_db()
    assert (route.group_wait, route.version) == (0, 3)
    assert as_user(erin).post(f"/routes/{route.pk}/restore/", {"number": 9}).status_code == 404


def test_a_version_that_names_what_is_gone_says_so(as_user, erin) -> None:
    client, sink = as_user(erin), build.sink(name="Slack")
    client.post("/routes/new/", {**NEW, "sinks": [sink.pk]})
    route = Route.objects.get()
    client.post(f"/routes/{route.pk}/", NEW)
    sink.delete()
    answer = client.post(f"/routes/{route.pk}/restore/", {"number": 1}, follow=True)
    assert "Version 1 cannot be restored: There is no sink called 'Slack'" in unescape(answer.content.decode())
