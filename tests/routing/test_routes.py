from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from routing import routes
from routing.faults import Conflict, Fault
from routing.models import AuditEntry, Route, RouteVersion, TimeInterval
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


def made(by: User, route: Route | None = None, **changes: Any) -> Route:
    return routes.save(route, {"name": "a route", **changes} if route is None else changes, by, NOW)


def numbers(route: Route) -> list[int]:
    return [version.number for version in route.versions.all()]


def test_a_new_route_goes_to_the_end_of_its_siblings_with_its_first_version(erin: User) -> None:
    top = build.route(name="top", position=7)
    made(erin, name="first", parent="top")
    second = made(erin, name="second", parent="top")
    last = made(erin, name="last")
    assert (second.parent, second.position, last.parent, last.position) == (top, 2, None, 8)
    version = last.versions.get()
    assert (version.number, version.by, version.at, version.facts["name"]) == (1, "erin", NOW, "last")


def test_everything_a_route_says_is_kept_and_read_back(erin: User) -> None:
    slack, action = build.sink("slack"), build.action()
    TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    facts = {
        "condition": "alert.priority >= error",
        "continues": True,
        "enabled": False,
        "dry_run": True,
        "group_by": ["alert.rule"],
        "group_wait": 0,
        "group_interval": None,
        "repeat_interval": 1,
        "resolve_after": 2,
        "sinks": [slack.name],
        "actions": [action.name],
        "mute_in": ["nights"],
        "active_in": ["nights"],
        "escalation": [{"after": 900, "sinks": [slack.name]}],
        "position": 4,
    }
    route = made(erin, **facts)
    said = routes.facts_of(Route.objects.get(pk=route.pk))
    assert said == {"name": "a route", "parent": None, **facts}
    assert route.versions.get().facts == said


def test_every_change_appends_a_version_and_nothing_else_does(erin: User) -> None:
    route = made(erin)
    made(erin, route, condition="alert.rule = x")
    made(erin, route, condition="alert.rule = x")
    route.refresh_from_db()
    assert (route.version, numbers(route)) == (2, [2, 1])
    assert [version.facts["condition"] for version in route.versions.all()] == ["alert.rule = x", ""]
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == ["create", "edit"]


def test_a_route_that_was_made_without_a_version_keeps_what_it_was(erin: User) -> None:
    route = build.route(condition="alert.rule = old")
    made(erin, route, condition="alert.rule = new")
    assert [(one.number, one.by, one.facts["condition"]) for one in route.versions.all()] == [
        (2, "erin", "alert.rule = new"),
        (1, "system", "alert.rule = old"),
    ]


def test_a_change_from_an_older_version_is_refused(erin: User) -> None:
    route = made(erin)
    routes.save(route, {"group_wait": 1}, erin, NOW, version=1)
    with pytest.raises(Conflict):
        routes.save(route, {"group_wait": 2}, erin, NOW, version=1)
    route.refresh_from_db()
    assert route.group_wait == 1


def test_a_deleted_route_is_not_changed_back_to_life(erin: User) -> None:
    route = made(erin)
    Route.objects.all().delete()
    with pytest.raises(Conflict):
        made(erin, route, group_wait=1)


def test_an_earlier_version_can_be_restored_and_becomes_the_newest(erin: User) -> None:
    slack = build.sink("slack")
    route = made(erin, sinks=[slack.name], escalation=[{"after": 60, "sinks": [slack.name]}], position=3)
    made(erin, route, sinks=[], escalation=[], group_wait=0, name="renamed", position=9)
    restored = routes.restore(route, 1, erin, NOW)
    assert (restored.name, restored.group_wait, restored.position, restored.version) == ("a route", 30, 9, 3)
    assert (list(restored.sinks.all()), restored.steps.get().after) == ([slack], 60)
    assert AuditEntry.objects.filter(verb="restore").count() == 1
    with pytest.raises(RouteVersion.DoesNotExist):
        routes.restore(route, 17, erin, NOW)


def test_a_version_that_names_what_is_gone_is_not_restored(erin: User) -> None:
    slack = build.sink("slack")
    route = made(erin, sinks=[slack.name])
    made(erin, route, sinks=[])
    slack.delete()
    with pytest.raises(Fault, match="no sink called 'a slack'"):
        routes.restore(route, 1, erin, NOW)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": "  "}, "name", "needs a name"),
        ({"name": "n" * 101}, "name", "at most 100"),
        ({"name": "top"}, "name", "already"),
        ({"condition": "alert.rul = x"}, "condition", "alert.rul (did you mean alert.rule?)"),
        ({"group_by": ["alert.hostnam"]}, "group_by", "did you mean alert.hostname"),
        ({"group_by": ["alert.rule = x or alert.rule"]}, "group_by", "is not a field"),
        ({"group_wait": -1}, "group_wait", "from 0 to"),
        ({"resolve_after": 8 * 86_400}, "resolve_after", "from 0 to"),
        ({"parent": "nobody"}, "parent", "no route called 'nobody'"),
        ({"sinks": ["nothing"]}, "sinks", "no sink called 'nothing'"),
        ({"actions": ["nothing"]}, "actions", "no response action called 'nothing'"),
        ({"mute_in": ["nothing"]}, "mute_in", "no time interval called 'nothing'"),
        ({"escalation": [{"after": 59, "sinks": ["a webhook"]}]}, "escalation", "from 60"),
        ({"escalation": [{"after": 60, "sinks": ["a webhook"]}] * 2}, "escalation", "its own number"),
        ({"escalation": [{"after": 60, "sinks": []}]}, "escalation", "needs a sink"),
        ({"escalation": [{"after": 60, "sinks": ["nothing"]}]}, "escalation", "no sink called"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(changes: dict[str, Any], field: str, said: str, erin: User) -> None:
    build.route(name="top")
    build.sink()
    with pytest.raises(Fault) as error:
        made(erin, **changes)
    assert error.value.field == field
    assert said in str(error.value)
    assert Route.objects.count() == 1
    assert not AuditEntry.objects.exists()


def test_a_route_keeps_its_own_name(erin: User) -> None:
    assert made(erin, made(erin), name="a route", group_wait=1).group_wait == 1


def test_no_route_is_beneath_itself(erin: User) -> None:
    top = made(erin, name="top")
    made(erin, name="middle", parent="top")
    made(erin, name="low", parent="middle")
    with pytest.raises(Fault, match="beneath itself"):
        made(erin, top, parent="low")
    with pytest.raises(Fault, match="beneath itself"):
        made(erin, top, parent="top")
    with pytest.raises(IntegrityError), transaction.atomic():
        Route.objects.filter(pk=top.pk).update(parent=top)


def test_the_tree_is_not_deeper_than_can_be_read(erin: User) -> None:
    for number in range(10):
        made(erin, name=str(number), parent=str(number - 1) if number else None)
    with pytest.raises(Fault, match="At most 10"):
        made(erin, name="too deep", parent="9")
    above = made(erin, name="above")
    with pytest.raises(Fault, match="At most 10"):
        made(erin, Route.objects.get(name="0"), parent=above.name)


def test_moving_is_a_new_version_of_each_route_that_moved(erin: User) -> None:
    top = build.route(name="top")
    a, b, c = (build.route(name=name, position=at, parent=top) for at, name in enumerate("abc", start=1))
    routes.move(c, -1, erin, NOW)
    assert list(Route.objects.filter(parent=top).values_list("name", flat=True)) == ["a", "c", "b"]
    assert [len(numbers(route)) for route in (a, b, c)] == [0, 2, 2]
    routes.move(a, -1, erin, NOW)
    assert numbers(a) == []


def test_a_route_with_others_beneath_is_not_deleted(erin: User) -> None:
    top = made(erin, name="top")
    low = made(erin, name="low", parent="top")
    with pytest.raises(Fault, match="beneath it: low"):
        routes.delete(top, erin, NOW)
    routes.delete(low, erin, NOW)
    routes.delete(top, erin, NOW)
    assert not Route.objects.exists()
    assert AuditEntry.objects.filter(verb="delete").count() == 2
    with pytest.raises(Conflict):
        routes.delete(top, erin, NOW)


def test_who_may_not_edit_changes_nothing(bob: User) -> None:
    route = build.route()
    for attempt in (
        lambda: made(bob),
        lambda: made(bob, route, group_wait=1),
        lambda: routes.move(route, 1, bob, NOW),
        lambda: routes.delete(route, bob, NOW),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert Route.objects.get().version == 1


def test_the_order_of_names_says_nothing_and_makes_no_version(erin: User) -> None:
    first, second = build.sink(name="b"), build.sink(name="a")
    steps = [{"after": 120, "sinks": ["b", "a", "b"]}, {"after": 60, "sinks": ["a"]}]
    route = made(erin, sinks=[first.name, second.name], escalation=steps)
    again = made(erin, route, sinks=["a", "b", "a"], escalation=steps[::-1])
    assert again.version == 1
    said = routes.facts_of(Route.objects.get())
    assert (said["sinks"], [step["after"] for step in said["escalation"]]) == (["a", "b"], [60, 120])
