from typing import Any

import pytest

from routing.faults import Fault
from routing.shapes import ActionShape, BranchShape, IntervalShape, RouteShape, WindowShape, facts, shaped


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"nmae": "x"}, "nmae", "There is no such member."),
        ({"name": ""}, "name", "at least 1 character"),
        ({"name": "  "}, "name", "A name is needed."),
        ({"name": None}, "name", "valid string"),
        ({"name": "a\0b"}, "name", "U+0000 cannot be stored."),
        ({"name": "\ud800"}, "name", "unicode"),
        ({"group_wait": "soon"}, "group_wait", "valid integer"),
        ({"sinks": "slack"}, "sinks", "valid list"),
        ({"escalation": [{"after": 60}]}, "escalation.0.sinks", "Field required."),
    ],
)
def test_what_has_not_the_form_is_a_fault_with_its_place(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Fault) as fault:
        shaped(RouteShape, {"name": "a route", **changes})
    assert fault.value.field == field
    assert said in str(fault.value)


def test_a_route_that_says_nothing_has_all_from_elsewhere() -> None:
    said = facts(shaped(RouteShape, {"name": "a route"}))
    assert {name for name, value in said.items() if value is None} == {
        *("parent", "position", "group_by", "group_wait", "group_interval", "repeat_interval", "resolve_after")
    }


def test_branches_have_branches() -> None:
    said = shaped(BranchShape, {"name": "top", "routes": [{"name": "low", "routes": [{"name": "lowest"}]}]})
    assert said.routes[0].routes[0].name == "lowest"
    with pytest.raises(Fault) as fault:
        shaped(BranchShape, {"name": "top", "routes": [{"name": "low", "sink": []}]})
    assert fault.value.field == "routes.0.sink"


def test_times_have_a_zone_and_are_said_in_utc() -> None:
    window = {"name": "w", "condition": "x", "ends_at": "2026-11-23T15:00:00+02:00"}
    assert facts(shaped(WindowShape, window))["ends_at"] == "2026-11-23T13:00:00Z"
    for wrong in ("2026-11-23T15:00:00", "1969-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"):
        with pytest.raises(Fault, match=r"timezone|between 1970 and 2261"):
            shaped(WindowShape, {**window, "ends_at": wrong})


def test_numbers_stand_where_texts_are_expected_and_values_are_such_as_can_be_stored() -> None:
    assert shaped(IntervalShape, {"name": 24, "spec": []}).name == "24"
    assert shaped(IntervalShape, {"name": "x", "spec": [{"years": ["2\x00026"]}]}).spec == [{"years": ["2026"]}]


def test_a_mode_is_one_of_the_modes() -> None:
    assert facts(shaped(ActionShape, {"name": "a", "kind": "kill_process", "mode": "approve"}))["mode"] == "approve"
    with pytest.raises(Fault, match="'off', 'dry_run', 'approve' or 'automatic'"):
        shaped(ActionShape, {"name": "a", "kind": "kill_process", "mode": "kill"})
