from datetime import timedelta

import pytest

from routing import tree
from routing.models import Silence
from routing.shapes import BranchShape, shaped
from routing.simulation import recent, tree_of
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_routes_are_counted_over_the_newest_alerts_of_the_last_hours() -> None:
    route = build.route(condition="alert.rule startswith r", group_by=["alert.rule"])
    route.sinks.add(build.sink())
    build.route(name="silent", position=2, condition="alert.rule = nothing")
    for number in range(4):
        build.alert(rule=f"r{number % 2}", time=NOW - number * timedelta(minutes=10))
    build.alert(rule="other", time=NOW - timedelta(minutes=1))
    build.alert(rule="r0", time=NOW - 2 * HOUR)
    found = recent(tree.load(), NOW, hours=1, most=1_000)
    assert (found.tried, found.of, found.whole, found.unrouted) == (5, 5, True, 1)
    assert [example.rule for example in found.unrouted_examples] == ["other"]
    (tally,) = found.routes
    assert (tally.path, tally.alerts, tally.groups, tally.sinks) == (["everything"], 4, 2, ["a webhook"])
    assert [example.rule for example in tally.examples] == ["r0", "r1", "r0", "r1"]


def test_it_says_how_many_of_how_many_were_tried() -> None:
    build.route()
    for number in range(5):
        build.alert(rule=f"r{number}", time=NOW - number * timedelta(minutes=1))
    found = recent(tree.load(), NOW, hours=1, most=2)
    assert (found.tried, found.of, found.whole) == (2, 5, False)
    assert [example.rule for example in found.routes[0].examples] == ["r0", "r1"]
    assert recent(tree.load(), NOW, hours=1, most=5).whole


def test_what_holds_now_is_counted() -> None:
    build.route(dry_run=True)
    Silence.objects.create(
        condition="alert.rule = r0", starts_at=NOW, ends_at=NOW + HOUR, created_at=NOW, comment="why"
    )
    for rule in ("r0", "r0", "r1"):
        build.alert(rule=rule)
    (tally,) = recent(tree.load(), NOW, hours=1, most=10).routes
    assert list(tally.held.values()) == [2]
    assert tally.dry_run


def test_a_draft_says_what_it_would_change() -> None:
    build.route(name="all")
    for rule in ("r0", "r1"):
        build.alert(rule=rule)
    drafted = tree_of(
        [shaped(BranchShape, {"name": "new", "condition": "alert.rule = r0"}), shaped(BranchShape, {"name": "all"})]
    )
    found = recent(drafted, NOW, 1, 10, tree.load())
    assert found.moved == 1
    (moved,) = found.moved_examples
    assert (moved.alert.rule, moved.before, moved.after) == ("r0", [["all"]], [["new"]])
    assert [tally.alerts for tally in found.routes] == [1, 1]


def test_only_what_came_until_then_is_tried_and_an_end_walks_no_routes() -> None:
    build.route()
    build.alert(rule="later", time=NOW + timedelta(seconds=1))
    build.alert(rule="then")
    build.alert(source="alertmanager", output_fields={"alertmanager.status": "resolved"}, time=NOW - HOUR / 2)
    found = recent(tree.load(), NOW, hours=1, most=10)
    assert (found.tried, found.of, found.unrouted) == (2, 2, 0)
    assert [example.rule for example in found.routes[0].examples] == ["then"]
    assert recent(tree.load(), NOW - 24 * HOUR, hours=1, most=10).tried == 0
