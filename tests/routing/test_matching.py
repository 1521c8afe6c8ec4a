from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import matching
from routing.matching import Match, RuleError
from routing.models import Route, Silence
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


def routes(*steps: tuple[str, bool, bool]) -> list[Route]:
    return [
        Route(pk=number, name=str(number), position=number, condition=condition, continues=continues, enabled=enabled)
        for number, (condition, continues, enabled) in enumerate(steps)
    ]


WALK = routes(
    ("alert.rule = other", False, True),
    ("alert.priority >= error", True, True),
    ("", False, False),
    ("proc.nmae = cat", False, True),
    ("proc.name = cat", False, True),
    ("", False, True),
)


def test_the_walk_ends_at_the_first_match_that_does_not_continue() -> None:
    assert [route.name for route in matching.routes_for(view(), reversed(WALK))] == ["1", "4"]


def test_every_route_says_why_it_takes_an_alert_or_does_not() -> None:
    assert [match for _, match in matching.explain(view(), WALK)] == [
        Match.FALSE,
        Match.MATCHED,
        Match.DISABLED,
        Match.BROKEN,
        Match.MATCHED,
        Match.ENDED,
    ]


def test_an_alert_that_breaks_a_condition_goes_on_to_the_next_route() -> None:
    broken = view(output_fields=None)
    assert [route.name for route in matching.routes_for(broken, WALK)] == ["1", "5"]
    assert matching.explain(broken, WALK)[4][1] is Match.FALSE


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
