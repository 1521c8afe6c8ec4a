from typing import Any

import pytest

from routing.faults import Fault
from routing.models import Route, TimeInterval
from routing.shapes import BranchShape, shaped
from routing.simulation import tree_of
from tests import build

pytestmark = pytest.mark.django_db


def grown(*branches: dict[str, Any]) -> list[str]:
    tree = tree_of([shaped(BranchShape, branch) for branch in branches])
    return ["/".join(node.path) for node in tree]


def test_routes_are_written_within_each_other_or_with_the_names_of_those_above() -> None:
    nested = grown({"name": "a", "routes": [{"name": "b"}, {"name": "c"}]}, {"name": "d"})
    flat = grown(
        {"name": "d", "position": 9}, {"name": "c", "parent": "a"}, {"name": "a"}, {"name": "b", "parent": "a"}
    )
    assert nested == ["a", "a/b", "a/c", "d"]
    assert flat == ["a", "a/c", "a/b", "d"]
    assert not Route.objects.exists()


def test_a_draft_has_everything_a_stored_route_has() -> None:
    slack, action = build.sink("slack"), build.action()
    TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday"]}])
    draft = {
        "name": "top",
        "sinks": ["a slack"],
        "actions": [action.name],
        "mute_in": ["nights"],
        "active_in": ["nights"],
        "group_wait": 7,
        "escalation": [{"after": 60, "sinks": ["a slack"]}],
        "routes": [{"name": "low", "group_by": ["..."]}],
    }
    top, low = tree_of([shaped(BranchShape, draft)])
    assert (top.sinks, top.actions, top.group_wait, top.steps[0].sinks) == ((slack,), (action,), 7, (slack,))
    assert [interval.name for interval in (*top.mute_in, *top.active_in)] == ["nights", "nights"]
    assert (low.sinks, low.group_wait, low.group_by, low.actions) == ((slack,), 7, ("...",), ())


def test_a_route_that_is_stored_by_that_name_is_the_same_route() -> None:
    stored = build.route(name="top", version=3)
    top, new = tree_of([shaped(BranchShape, {"name": "top"}), shaped(BranchShape, {"name": "new"})])
    assert (top.key, top.route.version) == (stored.pk, 3)
    assert new.key < 0
    assert new.route.version == 0


def chain(levels: int) -> dict[str, Any]:
    branch: dict[str, Any] = {"name": str(levels)}
    for level in range(levels - 1, 0, -1):
        branch = {"name": str(level), "routes": [branch]}
    return branch


@pytest.mark.parametrize(
    ("branches", "field", "said"),
    [
        ([{"name": "a"}, {"name": "a"}], "routes.1.name", "there twice"),
        ([{"name": "a", "routes": [{"name": "b", "parent": "c"}]}], "routes.0.routes.0.parent", "leave the parent out"),
        ([{"name": "a", "parent": "c"}], "routes.0.parent", "no route called 'c'"),
        ([{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}], "routes.0.parent", "beneath itself"),
        ([{"name": "a", "parent": "a"}], "routes.0.parent", "beneath itself"),
        ([chain(11)], ".".join(["routes.0"] * 11) + ".parent", "more than 9 routes"),
        ([{"name": "a", "routes": [{"name": "b", "group_wait": -1}]}], "routes.0.routes.0.group_wait", "from 0 to"),
        ([{"name": str(number)} for number in range(1_001)], "routes", "At most 1000"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(branches: list[dict[str, Any]], field: str, said: str) -> None:
    with pytest.raises(Fault) as fault:
        grown(*branches)
    assert fault.value.field == field
    assert said in str(fault.value)


def test_ten_levels_are_not_too_many() -> None:
    assert len(grown(chain(10))) == 10
