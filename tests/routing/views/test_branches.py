"""The tree of routes as the page shows it."""

from datetime import timedelta

import pytest

from routing import tree
from routing.models import AlertGroup, EscalationStep, GroupedAlert, Route
from routing.views.branches import Branch, Figures, branches
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


def took(route: Route, number: int, **fields: object) -> AlertGroup:
    """So many alerts in a group of the route."""
    group = build.group(route, key=f"{route.pk}{number}", **fields)
    for _ in range(number):
        alert = build.alert(time=NOW)
        GroupedAlert.objects.create(group=group, alert=alert, routed_at=NOW, route_version=1)
    return group


def shown() -> dict[str, Branch]:
    """Every branch by its route's name."""
    pending, found = branches(tree.load(), Figures(NOW), {}), {}
    while pending:
        branch = pending.pop()
        found[branch.node.name] = branch
        pending += branch.below
    return found


def test_matches_of_a_day_are_counted_for_a_route_and_for_those_beneath_it() -> None:
    top = build.route(name="top")
    beneath = build.route(name="beneath", parent=top)
    took(top, 1, last_seen_at=NOW - timedelta(hours=1))
    took(beneath, 2)
    took(beneath, 3, state="resolved")
    old = build.alert(time=NOW - timedelta(days=2))
    GroupedAlert.objects.create(group=top.groups.get(), alert=old, routed_at=NOW, route_version=1)
    found = shown()
    assert (found["top"].matches, found["top"].beneath, found["top"].firing) == (1, 5, 1)
    assert found["top"].last == NOW - timedelta(hours=1)
    assert (found["beneath"].matches, found["beneath"].beneath, found["beneath"].firing) == (5, 0, 1)


def test_no_more_than_the_newest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    took(build.route(), 3)
    assert Figures(NOW).whole
    monkeypatch.setattr("routing.views.branches.COUNTED", 2)
    figures = Figures(NOW)
    assert not figures.whole
    assert figures.matches.total() == 2


def test_what_is_left_empty_is_inherited_beneath_another_route_alone() -> None:
    top = build.route(name="top", group_wait=None, group_by=None)
    assert shown()["top"].inherited == frozenset()
    beneath = build.route(name="beneath", parent=top, group_by=None)
    assert shown()["beneath"].inherited == {"sinks", "steps", "group_by"}
    beneath.sinks.add(build.sink())
    EscalationStep.objects.create(route=beneath, after=60)
    assert shown()["beneath"].inherited == {"group_by"}


def test_places_among_siblings_and_what_takes_the_rest() -> None:
    build.route(name="a", position=1, condition="alert.rule = x")
    build.route(name="b", position=2)
    build.route(name="c", position=3)
    found = shown()
    assert [(found[name].first, found[name].final) for name in "abc"] == [(True, False), (False, False), (False, True)]
    assert [found[name].takes_rest for name in "abc"] == [False, True, False]
    behind = found["c"].behind
    assert behind is not None
    assert behind.name == "b"
