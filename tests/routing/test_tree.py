import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing import routes, tree
from routing.access import Operator
from routing.models import EscalationStep, ResponseAction, Route, Sink, TimeInterval
from routing.tree import DEFAULTS, Node, Tree
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere

pytestmark = pytest.mark.django_db

INHERITING = dict.fromkeys(tree.SETTINGS)


def grown() -> dict[str, Node]:
    return {node.name: node for node in tree.load()}


def test_a_route_has_what_it_leaves_empty_from_the_one_above() -> None:
    slack, mail = build.sink("slack"), build.sink("email")
    top = build.route(name="top", group_by=["proc.name"], group_wait=7, resolve_after=70)
    top.sinks.add(slack)
    middle = build.route(name="middle", parent=top, **{**INHERITING, "group_wait": 8})
    low = build.route(name="low", parent=middle, **{**INHERITING, "group_by": [], "repeat_interval": 0})
    low.sinks.add(mail)

    nodes = grown()

    assert nodes["middle"].group_by == ("proc.name",)
    assert (nodes["middle"].group_wait, nodes["middle"].resolve_after) == (8, 70)
    assert nodes["middle"].sinks == (slack,)
    assert (nodes["low"].group_by, nodes["low"].group_wait, nodes["low"].repeat_interval) == ((), 8, 0)
    assert nodes["low"].sinks == (mail,)
    assert nodes["low"].path == ("top", "middle", "low")


def test_a_route_at_the_top_that_leaves_something_empty_has_the_default() -> None:
    build.route(**INHERITING)
    node = grown()["everything"]
    assert {name: getattr(node, name) for name in tree.SETTINGS} == {**DEFAULTS, "group_by": ()}
    assert (node.group_wait, node.group_interval, node.repeat_interval, node.resolve_after) == (30, 300, 14_400, 3600)


def test_actions_and_intervals_are_not_inherited_and_steps_are() -> None:
    top = build.route(name="top")
    top.actions.add(build.action())
    top.mute_in.add(TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}]))
    EscalationStep.objects.create(route=top, after=900).sinks.add(build.sink())
    build.route(name="low", parent=top)
    low = grown()["low"]
    assert (low.actions, low.mute_in) == ((), ())
    assert [(step.after, [sink.name for sink in step.sinks]) for step in low.steps] == [(900, ["a webhook"])]


def test_disabled_and_dry_run_hold_for_what_is_beneath() -> None:
    top = build.route(name="top", enabled=False, dry_run=True)
    build.route(name="low", parent=top)
    low = grown()["low"]
    assert (low.enabled, low.dry_run) == (False, True)


def test_the_nodes_come_in_the_order_of_the_walk() -> None:
    b = build.route(name="b", position=2)
    a = build.route(name="a", position=1)
    build.route(name="b1", parent=b, position=1)
    build.route(name="a2", parent=a, position=2)
    build.route(name="a1", parent=a, position=1)
    assert [node.name for node in tree.load()] == ["a", "a1", "a2", "b", "b1"]


def test_an_interval_that_cannot_be_read_holds_never(caplog: pytest.LogCaptureFixture) -> None:
    route = build.route()
    route.mute_in.add(TimeInterval.objects.create(name="broken", spec=[{"weekdays": ["funday"]}]))
    assert grown()["everything"].mute_in == ()
    assert "interval_broken" in caplog.text


def test_routes_that_are_beneath_each_other_are_left_out() -> None:
    a, b = build.route(name="a"), build.route(name="b")
    Route.objects.filter(pk=a.pk).update(parent=b)
    Route.objects.filter(pk=b.pk).update(parent=a)
    assert list(tree.load()) == []


def test_the_catch_all_is_at_the_top_enabled_and_without_a_condition() -> None:
    def found() -> str | None:
        catch_all: Node | None = Tree(tree.load().roots).catch_all()
        return catch_all.name if catch_all else None

    top = build.route(name="top", condition="alert.rule = x")
    build.route(name="beneath", parent=top)
    off = build.route(name="off", enabled=False)
    assert found() is None
    Route.objects.filter(pk=off.pk).update(enabled=True)
    assert found() == "off"


def test_what_is_behind_a_route_that_takes_everything_is_not_reached() -> None:
    top = build.route(name="top", position=1, condition="alert.rule = x")
    first = build.route(name="first", parent=top, position=1)
    build.route(name="second", parent=top, position=2)
    all_of_it = build.route(name="all of it", position=2)
    last = build.route(name="last", position=3, condition="alert.rule = y")
    build.route(name="beneath", parent=last)

    def unreached() -> dict[str, str]:
        grown_now = tree.load()
        return {grown_now.by_key[key].name: by.name for key, by in grown_now.unreached().items()}

    assert unreached() == {"second": "first", "last": "all of it", "beneath": "all of it"}
    Route.objects.filter(pk=first.pk).update(continues=True)
    Route.objects.filter(pk=all_of_it.pk).update(enabled=False)
    assert unreached() == {}


def test_the_tree_takes_as_many_queries_for_many_routes_as_for_one() -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            tree.load()
        return len(captured)

    def add(number: int) -> None:
        route = build.route(name=f"route {number}")
        route.sinks.add(build.sink(name=f"sink {number}"))
        EscalationStep.objects.create(route=route, after=60).sinks.add(*route.sinks.all())

    add(0)
    one = queries()
    for number in range(1, 10):
        add(number)
    assert queries() == one


CHANGES: dict[str, Callable[[Route], object]] = {
    "a setting": lambda route: Route.objects.update(group_wait=7),
    "a setting, and back": lambda route: (
        Route.objects.update(group_wait=7),
        Route.objects.update(group_wait=route.group_wait),
    ),
    "another route": lambda route: build.route(name="another"),
    "no route": lambda route: Route.objects.all().delete(),
    "a sink": lambda route: Sink.objects.filter(name="another").update(name="the other"),
    "the sinks": lambda route: route.sinks.clear(),
    "an action": lambda route: ResponseAction.objects.update(mode="automatic"),
    "the actions": lambda route: route.actions.clear(),
    "an interval": lambda route: TimeInterval.objects.update(spec=[{"weekdays": ["tuesday"]}]),
    "when it is muted": lambda route: route.mute_in.clear(),
    "when it is active": lambda route: route.active_in.clear(),
    "a step": lambda route: EscalationStep.objects.update(after=120),
    "whom a step tells": lambda route: EscalationStep.sinks.through.objects.all().delete(),
}


@pytest.fixture
def full() -> Route:
    """A route with one of everything."""
    route = build.route()
    route.sinks.add(build.sink())
    route.actions.add(build.action())
    interval = TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    route.mute_in.add(interval)
    route.active_in.add(interval)
    EscalationStep.objects.create(route=route, after=900).sinks.add(build.sink(name="another"))
    return route


@pytest.mark.parametrize("change", CHANGES)
def test_the_current_tree_has_every_change(full: Route, change: str) -> None:
    before = tree.current()
    CHANGES[change](full)
    assert tree.current() is not before
    assert shape(tree.current()) == shape(tree.load())


def shape(grown: Tree) -> list[object]:
    """Everything that a tree says."""
    return [
        (
            {name: getattr(node, name) for name in Node.__slots__ if name not in ("route", "parent", "children")},
            {field.attname: getattr(node.route, field.attname) for field in Route._meta.concrete_fields},
            [(sink.pk, sink.kind, sink.name) for sink in node.sinks],
            [(action.pk, action.mode) for action in node.actions],
        )
        for node in grown
    ]


def test_the_current_tree_is_kept_while_only_deliveries_touch_its_sinks(full: Route) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's tree is read every time")
    before = tree.current()
    Sink.objects.update(failures=1, last_error="no route to host")
    assert tree.current() is before


def test_a_version_looks_at_every_table_that_the_tree_is_read_from(full: Route) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's tree is read every time")
    with CaptureQueriesContext(connection) as captured:
        tree.load()
        reading = len(captured)
        tree.current()
    read = {re.findall(r'FROM "(\w+)"', query["sql"])[0] for query in captured.captured_queries[:reading]}
    assert "routing_route" in read
    assert read == set(re.findall(r"FROM (\w+)", captured.captured_queries[reading]["sql"])) - {"everything"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_route_that_is_made_while_the_tree_is_read_is_there_with_its_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    build.sink(name="team")
    linked, jobs = tree._linked, [make_route]

    def in_the_meantime(*asked: Any) -> Any:
        found = linked(*asked)
        while jobs:
            elsewhere(jobs.pop()).result(WAIT)
        return found

    monkeypatch.setattr(tree, "_linked", in_the_meantime)
    [node] = tree.current()
    assert [sink.name for sink in node.sinks] == ["team"]
    assert tree.current().by_key[node.key] is node


def make_route() -> Route:
    return routes.save(None, {"name": "new", "sinks": ["team"]}, Operator("test"), NOW)


def test_a_deleted_route_is_not_walked_and_found_by_its_key_until_its_groups_are_over() -> None:
    top = build.route(name="top")
    top.sinks.add(build.sink())
    low = build.route(name="low", parent=top, deleted_at=NOW, group_interval=60, repeat_interval=60, resolve_after=60)
    whole = tree.load()
    assert [node.name for node in whole] == ["top"]
    assert whole.by_key[top.pk].children == []
    node = whole.by_key[low.pk]
    assert (node.path, [sink.name for sink in node.sinks]) == (("top", "low"), ["a webhook"])
    assert (node.group_interval, node.repeat_interval, node.resolve_after) == (0, 0, 0)
