from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import matching, tree
from routing.matching import Match, RuleError
from routing.models import Route, Silence
from routing.tree import Node, Parts, Tree
from sensor.alert import Priority
from tests import build
from tests.build import NOW

FIELDS = {
    "proc.name": "cat",
    "proc.pid": 4242,
    "proc.aname[2]": "sshd",
    "proc.args": None,
    "fd.sip": "10.0.0.9",
    "fd.sport": "443",
    "proc.is_exe_writable": True,
    "ours.alone": [1, "two"],
}
SENSOR = SimpleNamespace(name="node-1", labels={"team": "red", "cluster": "prod"})


def view(**fields: Any) -> Any:
    values = {
        "rule": "Read sensitive file",
        "priority": Priority.ERROR,
        "source": "syscall",
        "hostname": "node-1",
        "tags": ["T1003", "container"],
        "output": "Sensitive file read",
        "output_fields": FIELDS,
        "time_ns": 1_700_000_000_000_000_000,
        "sensor": SENSOR,
    }
    return SimpleNamespace(**{**values, **fields})


@pytest.mark.parametrize(
    "condition",
    [
        "",
        'alert.rule = "Read sensitive file"',
        "alert.priority >= warning",
        "alert.priority = error",
        "alert.priority in (error, critical)",
        "alert.priority <= error",
        "not alert.priority > error",
        "alert.tags intersects (T1003, other)",
        "alert.hostname startswith node and alert.source = syscall",
        "alert.output contains file",
        "alert.time > 1600000000000000000",
        "proc.name = cat and proc.pid > 4000",
        "proc.aname[2] = sshd",
        "fd.sip = 10.0.0.9",
        "fd.sport = 443",
        "proc.is_exe_writable = true",
        "alert.field[proc.name] = cat",
        "alert.field[proc.pid] = 4242",
        "alert.field[ours.alone] contains two",
        "sensor.name = node-1 and sensor.label[team] = red and cluster.name = prod",
        "not proc.args exists",
        "not k8s.ns.name = prod",
    ],
)
def test_a_condition_holds(condition: str) -> None:
    assert matching.compile(condition)(view())


@pytest.mark.parametrize(
    "condition",
    [
        "alert.priority >= critical",
        "alert.priority < error",
        "alert.tags intersects (other)",
        "alert.tags in (T1003)",
        # What is missing makes its comparison false, this one too.
        "k8s.ns.name != prod",
        "proc.args exists",
        "alert.field[nothing] != x",
        "sensor.label[nothing] != x",
    ],
)
def test_a_condition_does_not_hold(condition: str) -> None:
    assert not matching.compile(condition)(view())


def test_without_a_sensor_its_fields_are_missing() -> None:
    assert not matching.compile("sensor.name exists or cluster.name exists")(view(sensor=None))


@pytest.mark.parametrize("value", ["no number", [1], {"a": 1}, None, True])
def test_a_value_of_another_type_never_raises(value: Any) -> None:
    fields = dict.fromkeys(["proc.pid", "proc.name", "fd.sip", "proc.is_exe_writable", "fd.sport"], value)
    for condition in ("proc.pid > 3", "proc.name contains a", "fd.sip = 10.0.0.1", "proc.is_exe_writable = true"):
        matching.compile(condition)(view(output_fields=fields))


def test_what_is_wrong_is_shown_at_its_place_with_a_guess() -> None:
    error = matching.problem("alert.rule = x and proc.nmae = cat")
    assert isinstance(error, RuleError)
    assert (error.line, error.column, error.hint) == (1, 20, "did you mean proc.name?")
    assert matching.problem("alert.rule = x") is None


def test_only_over_alerts_a_priority_is_ordered_by_name() -> None:
    assert matching.problem("alert.priority >= sometimes") is not None


def grown(*steps: tuple[str, bool, bool], parents: dict[int, int] | None = None) -> Tree:
    """A tree of routes called by their numbers: condition, continues, enabled; `parents` by number."""
    return tree.grow(
        Parts(
            Route(name=str(number), position=number, condition=condition, continues=continues, enabled=enabled),
            key=number,
            parent_key=(parents or {}).get(number),
        )
        for number, (condition, continues, enabled) in reversed(list(enumerate(steps)))
    )


WALK = grown(
    ("alert.rule = other", False, True),
    ("alert.priority >= error", True, True),
    ("", False, False),
    ("proc.nmae = cat", False, True),
    ("proc.name = cat", False, True),
    ("", False, True),
)


def names(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def test_the_walk_ends_at_the_first_match_that_does_not_continue() -> None:
    assert names(matching.nodes_for(view(), WALK)) == ["1", "4"]


def test_every_route_says_why_it_takes_an_alert_or_does_not() -> None:
    assert [one.match for one in matching.explain(view(), WALK)] == [
        Match.FALSE,
        Match.MATCHED,
        Match.DISABLED,
        Match.BROKEN,
        Match.MATCHED,
        Match.ENDED,
    ]


def test_an_alert_that_breaks_a_condition_goes_on_to_the_next_route() -> None:
    broken = view(output_fields=None)
    assert names(matching.nodes_for(broken, WALK)) == ["1", "5"]
    assert matching.explain(broken, WALK)[4].match is Match.FALSE


CAT, DOG, ALL = ("proc.name = cat", False, True), ("proc.name = dog", False, True), ("", False, True)
CAT_ON, ALL_ON = ("proc.name = cat", True, True), ("", True, True)


@pytest.mark.parametrize(
    ("steps", "parents", "taken"),
    [
        # The first child that matches takes it; its parent does not.
        ([ALL, DOG, CAT, ALL], {1: 0, 2: 0, 3: 0}, ["2"]),
        # No child matches: the parent takes it itself, and ends the walk.
        ([ALL, DOG, DOG, ALL], {1: 0, 2: 0}, ["0"]),
        # Children that continue.
        ([ALL, CAT_ON, DOG, CAT_ON, ALL, CAT], {1: 0, 2: 0, 3: 0, 4: 0, 5: 0}, ["1", "3", "4"]),
        # A parent that continues, whatever its children do.
        ([ALL_ON, CAT, ALL], {1: 0}, ["1", "2"]),
        # Grandchildren.
        ([ALL, CAT, DOG, CAT], {1: 0, 2: 1, 3: 1}, ["3"]),
        ([ALL, CAT, DOG], {1: 0, 2: 1}, ["1"]),
        # What is beneath a route that does not match, or that is disabled, is not asked.
        ([DOG, CAT, ALL], {1: 0}, ["2"]),
        ([("", False, False), CAT, ALL], {1: 0}, ["2"]),
        ([DOG, CAT], {1: 0}, []),
    ],
)
def test_an_alert_descends_to_the_deepest_routes_that_match(
    steps: list[tuple[str, bool, bool]], parents: dict[int, int], taken: list[str]
) -> None:
    built = grown(*steps, parents=parents)
    assert names(matching.nodes_for(view(), built)) == taken
    explained = matching.explain(view(), built)
    assert [one.node.name for one in explained] == names(list(built))
    assert [one.node.name for one in explained if one.match is Match.MATCHED] == taken


def test_what_passes_an_alert_on_and_what_is_not_entered_say_so() -> None:
    built = grown(ALL, CAT, DOG, CAT, DOG, CAT, parents={1: 0, 2: 0, 4: 3, 5: 4})
    assert {one.node.name: one.match for one in matching.explain(view(), built)} == {
        "0": Match.PASSED,
        "1": Match.MATCHED,
        "2": Match.ENDED,
        "3": Match.ENDED,
        "4": Match.OUTSIDE,
        "5": Match.OUTSIDE,
    }


def silence(bob: User, condition: str, begins: int = -10, ends: int = 10) -> Silence:
    return Silence(
        pk=1,
        condition=condition,
        starts_at=NOW + timedelta(seconds=begins),
        ends_at=NOW + timedelta(seconds=ends),
        author=bob,
        comment="",
        created_at=NOW,
    )


@pytest.mark.django_db
def test_the_silence_that_ends_last_holds(bob: User) -> None:
    short, long = silence(bob, "", ends=10), silence(bob, "proc.name = cat", ends=20)
    assert matching.silence_for(view(), [short, long], NOW) is long
    assert matching.silence_for(view(), [long, short], NOW) is long
    assert matching.silence_for(view(output_fields={}), [long, short], NOW) is short


@pytest.mark.django_db
@pytest.mark.parametrize(("begins", "ends", "holds"), [(0, 1, True), (1, 2, False), (-2, 0, False)])
def test_a_silence_holds_from_its_start_until_before_its_end(bob: User, begins: int, ends: int, holds: bool) -> None:
    found = matching.silence_for(view(), [silence(bob, "", begins, ends)], NOW)
    assert (found is not None) is holds


@pytest.mark.django_db
def test_a_silence_that_cannot_be_read_silences_nothing(bob: User) -> None:
    assert matching.silence_for(view(), [silence(bob, "alert.rule = ")], NOW) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alert.rule", "Read sensitive file"),
        ("proc.name", "cat"),
        ("proc.aname[2]", "sshd"),
        ("alert.field[proc.name]", "cat"),
        ('sensor.label["team"]', "red"),
        ("ours.alone", [1, "two"]),
        ("nothing.of.the.kind", None),
    ],
)
def test_a_group_can_be_made_of_any_field(name: str, value: Any) -> None:
    assert matching.reader(name)(view()) == value


@pytest.mark.django_db
def test_a_stored_alert_is_a_view() -> None:
    stored = build.alert(priority="critical", sensor=build.sensor(labels={"cluster": "prod"}))
    assert matching.compile("alert.priority >= critical and cluster.name = prod and proc.name = cat")(stored)


@pytest.mark.parametrize("name", ["alert.rule", "proc.aname[2]", "alert.field[x]", "sensor.label[team]"])
def test_what_is_a_field_of_alerts(name: str) -> None:
    assert matching.field_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alert.hostnam", "alert.hostnam is not a field of alerts; did you mean alert.hostname?"),
        ("alert.rule = x or alert.rule", "alert.rule = x or alert.rule is not a field of alerts"),
        ("tolower(alert.rule)", "tolower(alert.rule) is not a field of alerts"),
        ("", " is not a field of alerts"),
    ],
)
def test_what_is_none_says_so(name: str, said: str) -> None:
    assert matching.field_problem(name) == said
