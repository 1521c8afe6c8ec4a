import pytest

from routing.configuration.order import deepest_first, numbered, parents_first
from routing.configuration.reading import Written
from routing.models import Route
from tests import build


def route(name: str, parent: str | None = None, position: int | None = None) -> Written:
    return Written(f"routes.{name}", {"name": name, "parent": parent, "position": position})


def names(written: list[Written]) -> str:
    return "".join(one.name for one in written)


def test_a_route_comes_after_the_one_above_it_and_else_as_it_stands() -> None:
    assert names(parents_first([route("a"), route("b", "a"), route("c")])) == "abc"
    assert names(parents_first([route("c", "b"), route("b", "a"), route("d", "stored"), route("a")])) == "dabc"
    assert names(parents_first([route("a", "b"), route("b", "a")])) == "ab"


@pytest.mark.parametrize(
    ("stored", "positions"),
    [
        ({}, [1, 2, 3]),
        ({"a": 10, "c": 1000}, [10, 11, 1000]),
        ({"a": 1, "b": 2, "c": 3}, [1, 2, 3]),
        ({"a": 3, "b": 2, "c": 1}, [3, 4, 5]),
        ({"a": 0, "b": 0, "c": 0}, [0, 1, 2]),
    ],
)
def test_stored_positions_stay_where_the_order_is_that_of_the_file(
    stored: dict[str, int], positions: list[int]
) -> None:
    before = {name: {"parent": None, "position": position} for name, position in stored.items()}
    found = numbered([route("a"), route("b"), route("c")], before)
    assert [one.facts["position"] for one in found] == positions


def test_siblings_are_numbered_for_each_parent_and_what_is_written_holds() -> None:
    found = numbered([route("a"), route("b", "a"), route("c", position=7), route("d"), route("e", "a")], {})
    assert [one.facts["position"] for one in found] == [1, 1, 7, 8, 2]
    moved = numbered([route("a", "x")], {"a": {"parent": None, "position": 9}})
    assert [one.facts["position"] for one in moved] == [1]


@pytest.mark.django_db
def test_a_route_is_deleted_before_the_one_above_it() -> None:
    a = build.route(name="a")
    b = build.route(name="b", parent=a)
    build.route(name="c", parent=b)
    assert [one.name for one in deepest_first(Route.objects.order_by("name"))] == ["c", "b", "a"]
