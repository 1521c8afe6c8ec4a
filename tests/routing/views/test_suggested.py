"""Conditions that pages suggest."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing import matching
from routing.grouping import labels_of
from routing.matching import value_of
from routing.models import AlertGroup
from routing.views.suggested import Unsaid, comparison, like, of_group, quoted, together
from sensor.alert import Priority
from tests import build


@pytest.mark.django_db
@pytest.mark.parametrize(
    "rule", ["Read sensitive file", 'With "quotes"', "It's one", "Plain", "a = b or c", "%s", "c:\\"]
)
def test_the_suggested_condition_holds_for_its_alert(rule: str) -> None:
    alert = build.alert(rule=rule, hostname="node-1", output_fields={"proc.name": "my cat", "k8s.ns.name": "prod"})
    condition = like(alert).condition
    assert matching.compile(condition)(alert)
    assert "proc.name" in condition
    assert not matching.compile(condition)(build.alert(rule="Other"))


def test_a_word_needs_no_quotes() -> None:
    assert quoted("node-1") == "node-1"
    assert quoted("a b") == '"a b"'
    assert quoted('a "b"') == r'"a \"b\""'


@pytest.mark.django_db
def test_what_is_much_the_same_is_of_the_same_host_even_where_none_is_named() -> None:
    alert = build.alert(hostname="", output_fields={})
    assert like(alert).condition == 'alert.rule = "Read sensitive file" and not alert.hostname != ""'
    assert not matching.compile(like(alert).condition)(build.alert(hostname="node-1", output_fields={}))


def test_a_groups_condition_says_what_is_missing() -> None:
    group = AlertGroup(labels={"alert.rule": "Read it", "proc.name": "", "proc.pid": "", "alert.tags": "a, b"})
    assert of_group(group).condition == (
        'alert.rule = "Read it" and join(", ", alert.tags) = "a, b" and not proc.name != "" and not proc.pid exists'
    )


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({}, "groups by no field"),
        ({"alert.uuid": "01a20866-f9fb-7cc2-94d1-67d8cf42ae79"}, "alert.uuid is not a field of alerts"),
        ({"alert.rule": "R", "alert.rul": "x"}, "alert.rul is not a field of alerts"),
        ({"alert.rule": "R", "proc.name": "x" * 300}, "cannot say this"),
        ({"alert.rule": "R", "proc.pid": "1.5"}, "cannot say this"),
    ],
)
def test_where_a_part_cannot_be_said_nothing_is_suggested(labels: dict[str, str], why: str) -> None:
    condition, why_not = of_group(AlertGroup(labels=labels))
    assert condition == ""
    assert why in why_not


def test_parts_that_do_not_make_a_condition_are_refused() -> None:
    with pytest.raises(Unsaid):
        together(["alert.priority = loud"])
    assert together([]).condition == ""
    assert comparison("alert.priority", "4") == "alert.priority = warning"


def test_an_address_is_said_as_it_is_written() -> None:
    holds = matching.compile(of_group(AlertGroup(labels={"fd.rip": "::1"})).condition)
    written = [SimpleNamespace(output_fields={"fd.rip": one}) for one in ("::1", "0:0:0:0:0:0:0:1")]
    assert [holds(alert) for alert in written] == [True, False]


TEXT = st.sampled_from(["", "a", "b", "a, b", "a b", "and", 'q"', "'", "\\", "a\\", "\\ ", "\n", "é", "5", "true"])
NAMES = ("proc.name", "k8s.ns.name", "fd.name")
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, TEXT),
        "proc.pid": st.sampled_from([0, 5, "5", -1, "x", None]),
        "proc.is_exe_writable": st.sampled_from([True, False, "true", None]),
        "fd.rip": st.sampled_from(["", "10.0.0.1", "::ffff:10.0.0.1", "::1", "0:0:0:0:0:0:0:1"]),
        "custom": TEXT | st.sampled_from([5, True]) | st.lists(TEXT, max_size=2),
    },
)
ALERTS = st.builds(
    SimpleNamespace,
    rule=TEXT,
    priority=st.sampled_from([int(one) for one in Priority]),
    source=st.sampled_from(["syscall", "okta"]),
    hostname=TEXT,
    output=TEXT,
    output_fields=FIELDS,
    tags=st.lists(st.sampled_from(["", "a", "b", "a, b"]), max_size=3),
    time_ns=st.integers(0, 2),
    lookups=st.fixed_dictionaries({}, optional={"teams.team": TEXT}),
    sensor=st.none() | st.just(SimpleNamespace(name="s", labels={})),
)
GROUPED_BY = [
    *("alert.rule", "alert.priority", "alert.source", "alert.hostname", "alert.output", "alert.tags", "alert.time"),
    *("alert.field[custom]", "alert.lookup[teams.team]", "sensor.name", "proc.pid", "proc.is_exe_writable", "fd.rip"),
    *NAMES,
]


@settings(max_examples=100, deadline=None)
@given(
    alerts=st.lists(ALERTS, min_size=2, max_size=8),
    group_by=st.lists(st.sampled_from(GROUPED_BY), min_size=1, max_size=4, unique=True),
)
def test_a_groups_condition_holds_for_its_alerts_and_for_no_others(alerts: list[Any], group_by: list[str]) -> None:
    groups = [labels_of("", group_by, partial(value_of, alert)) for alert in alerts]
    for labels in groups:
        condition, why_not = of_group(AlertGroup(labels=labels))
        assert condition, why_not
        holds = matching.compile(condition)
        assert [holds(alert) for alert in alerts] == [other == labels for other in groups]
