"""Searches find in the database what the same condition takes in Python."""

from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.matching import RuleError, compile
from routing.models import Alert
from routing.searching import EVERYTHING, search
from tests import build

pytestmark = pytest.mark.django_db

ALERTS: list[dict[str, Any]] = [
    {"priority": "critical", "rule": "Shell in container", "output_fields": {"proc.name": "bash", "proc.pid": 1}},
    {"priority": "notice", "rule": "shell in container", "output_fields": {"proc.name": "Bash", "proc.pid": 10}},
    {"priority": "error", "rule": "100%_sure", "hostname": "node-2", "output_fields": {"proc.name": "", "proc.pid": 9}},
    {"priority": "debug", "source": "k8s_audit", "output_fields": {}, "tags": []},
    {"output_fields": {"proc.name": None, "proc.pid": None}, "tags": ["T1", 'quo"ted']},
    {"output_fields": {"proc.name": "it's ü", "proc.pid": 2**40, "proc.aname[2]": "sshd"}, "tags": ["T10"]},
    {"output_fields": {"proc.is_exe_writable": True, "ours.alone": "x"}, "output": "File /ETC/shadow\nread"},
    {"output_fields": {"proc.is_exe_writable": False, "ours.alone": "10"}, "output": "", "hostname": ""},
    {"output_fields": {"proc.name": "null", "proc.pid": "9", "ours.alone": "", "fd.name": ["a", 1, True, None, ["b"]]}},
    {"output_fields": {"proc.name": ["bash"], "proc.pid": "no number", "proc.is_exe_writable": "true"}},
    {"output_fields": {"proc.name": {"a": 1}, "proc.pid": [9], "ours.alone": ["x", "y, z"]}, "tags": ["ü"]},
    {
        "output_fields": {"proc.name": 10, "proc.pid": True, "ours.alone": 0.5, "fd.name": []},
        "output": "Über den Wolken",
    },
    {"output_fields": {"proc.name": True, "proc.pid": 1.0, "ours__alone": "x"}, "rule": "Zeta"},
]


@pytest.fixture(autouse=True)
def stored() -> list[Alert]:
    alerts = [build.alert(**fields) for fields in ALERTS]
    spell(alerts)
    return alerts


def spell(alerts: list[Alert]) -> None:
    """Let their JSON be spelled as ingest spells it, with letters as they are."""
    for alert in alerts:
        spelled = [orjson.dumps(value).decode() for value in (alert.output_fields, alert.tags)]
        key = alert.pk if connection.vendor == "postgresql" else alert.pk.hex
        with connection.cursor() as cursor:
            cursor.execute("UPDATE routing_alert SET output_fields = %s, tags = %s WHERE uuid = %s", [*spelled, key])


def both(condition: str) -> tuple[set[UUID], set[UUID]]:
    asked = search(condition)
    assert asked.predicate is None
    found = set(Alert.objects.filter(asked.query).values_list("pk", flat=True))
    holds = compile(condition)
    return found, {alert.pk for alert in Alert.objects.all() if holds(alert)}


COMPARISONS = [
    "alert.rule = 'Shell in container'",
    "alert.rule != 'Shell in container'",
    "alert.rule contains Shell",
    "alert.rule contains %_s",
    "alert.rule icontains SHELL",
    "alert.rule startswith shell",
    "alert.rule endswith container",
    "alert.rule in ('100%_sure', 'shell in container')",
    "alert.priority >= error",
    "alert.priority > error",
    "alert.priority <= notice",
    "alert.priority < notice",
    "alert.priority = debug",
    "alert.priority != debug",
    "alert.priority in (debug, error)",
    "alert.source = k8s_audit",
    "alert.hostname exists",
    "alert.hostname != node-2",
    "alert.output contains /etc",
    "alert.output contains /ETC",
    "alert.output contains ''",
    "alert.tags intersects (T1)",
    "alert.tags intersects (T10, T1)",
    "alert.tags intersects ('quo\"ted')",
    "alert.time >= 1795435200000000000",
    "alert.time < 1795435200000000000",
    "alert.time > 18446744073709551615",
    "proc.name = bash",
    "proc.name != bash",
    "proc.name in (bash, Bash)",
    "proc.name exists",
    "proc.name contains a",
    "proc.name startswith 'it'",
    "proc.name endswith ü",
    'proc.name contains "\'"',
    "proc.aname[2] = sshd",
    "proc.pid = 1",
    "proc.pid != 1",
    "proc.pid > 1",
    "proc.pid >= 9",
    "proc.pid < 10",
    "proc.pid in (1, 9)",
    "proc.pid exists",
    "proc.is_exe_writable = true",
    "proc.is_exe_writable != true",
    "alert.field[ours.alone] = x",
    "alert.field[ours.alone] = 10",
    "alert.field[nothing] != x",
    "sensor.name exists",
    "sensor.name != node-1",
    "alert.rule contains anyof (Shell, sure)",
    "proc.name = anyof (bash, Bash)",
    "alert.rule < 2",
    "alert.rule >= 2",
    "alert.output icontains ÜBER",
    "alert.output icontains 'Über DEN'",
    "alert.tags intersects (ü)",
    "proc.name exists",
    "proc.name = null",
    "proc.name != null",
    "proc.name = 10",
    "proc.name = true",
    "proc.name < 5",
    "proc.pid = 0",
    "proc.pid > -1",
    "proc.is_exe_writable exists",
    "fd.name exists",
    "fd.name = 'a, 1, true'",
    "fd.name = ''",
    "fd.name contains ', '",
    "alert.field[ours.alone] exists",
    "alert.field[ours.alone] = ''",
    "alert.field[ours.alone] != ''",
    "alert.field[ours.alone] contains y",
    "alert.field[ours.alone] = 'x, y, z'",
    "alert.field[ours.alone] = 0.5",
    "alert.field[ours__alone] = x",
    "alert.field[proc.pid] in (9, 1)",
]


@pytest.mark.parametrize("condition", COMPARISONS)
def test_a_comparison_finds_what_it_takes(condition: str) -> None:
    found, taken = both(condition)
    assert found == taken


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_combination_finds_what_it_takes(data: st.DataObject) -> None:
    leaves = st.sampled_from(COMPARISONS)
    trees = st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(lambda one: f"not ({one})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda three: f"({' '.join(three)})"),
        ),
        max_leaves=6,
    )
    found, taken = both(data.draw(trees))
    assert found == taken


TEXTS = st.one_of(
    st.sampled_from(
        ["", "cat", "CAT", "null", "true", "10", "+1", "01", " 1", "1.5", "[1, 2]", "1, 2", "%", "_", "\\", '"']
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
)
PLAIN = st.one_of(TEXTS, st.integers(-(2**62), 2**62), st.booleans(), st.none(), st.sampled_from([0.5, -1.5, 10.0]))
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(TEXTS, PLAIN, max_size=1))
FIELDS = ["proc.name", "proc.pid", "proc.is_exe_writable", "alert.field[proc.name]", "alert.field[proc.pid]"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_a_field_holds_the_database_reads_it_as_the_condition_does(data: st.DataObject) -> None:
    Alert.objects.all().delete()
    held = data.draw(st.lists(VALUES, min_size=1, max_size=6))
    spell(
        [build.alert(output_fields=dict.fromkeys(["proc.name", "proc.pid", "proc.is_exe_writable"], v)) for v in held]
    )
    asked = data.draw(
        st.one_of(TEXTS, st.sampled_from([str(one) for one in held if not isinstance(one, dict)] or [""]))
    )
    quoted = "'" + asked.replace("\\", "\\\\").replace("'", "\\'") + "'"
    for field in FIELDS:
        for operator in ("=", "!=", "<", ">=", "contains", "icontains", "startswith", "endswith", "exists"):
            condition = f"{field} {operator}" + (f" {quoted}" if operator != "exists" else "")
            try:
                found, taken = both(condition)
            except RuleError:
                continue  # No number, or no flag.
            assert found == taken, condition


def test_an_empty_search_finds_everything() -> None:
    assert search(" ") == EVERYTHING
    assert Alert.objects.filter(EVERYTHING.query).count() == len(ALERTS)


@pytest.mark.parametrize(
    ("condition", "looked_at"),
    [
        ("alert.rule = '100%_sure' and alert.output regex '.*etc.*'", 1),
        ("not (alert.rule = '100%_sure' and alert.output regex '.*etc.*')", len(ALERTS)),
        ("fd.sip = 10.0.0.1", len(ALERTS)),
        ("tolower(proc.name) = bash", len(ALERTS)),
        ("proc.name = val(proc.pname)", len(ALERTS)),
        ("alert.tags in (T1)", len(ALERTS)),
        ("alert.time = 1", len(ALERTS)),
        ("alert.rule glob *container", len(ALERTS)),
        ("alert.rule glob ''", len(ALERTS)),
        ("alert.tags exists", len(ALERTS)),
        ("alert.field['a\"b'] = x", len(ALERTS)),
    ],
)
def test_what_a_database_cannot_do_exactly_is_narrowed_and_left_to_a_function(condition: str, looked_at: int) -> None:
    asked = search(condition)
    assert asked.predicate is not None
    narrowed = list(Alert.objects.filter(asked.query))
    assert len(narrowed) == looked_at
    holds = compile(condition)
    expected = {alert.pk for alert in Alert.objects.all() if holds(alert)}
    assert {alert.pk for alert in narrowed if asked.predicate(alert)} == expected


@pytest.mark.parametrize(
    ("condition", "ordered", "indexed"),
    [
        ("alert.rule = x", True, False),
        ("alert.rule = x and proc.name = cat", True, False),
        ("alert.hostname in (a)", True, False),
        ("alert.hostname in (a, b)", False, False),
        ("alert.rule = x or proc.name = cat", False, False),
        ("proc.name = cat", False, True),
        ("proc.name = cat or alert.tags intersects (a, b)", False, True),
        ("proc.name = cat and not user.name = root", False, True),
        ("not proc.name = cat", False, False),
        ("proc.name != cat", False, False),
        ("proc.pid = 7", False, False),
        ("proc.name = cat and proc.cmdline glob *x", False, False),
    ],
)
def test_it_is_known_which_index_finds_it(condition: str, ordered: bool, indexed: bool) -> None:
    asked = search(condition)
    assert (asked.ordered, asked.indexed) == (ordered, indexed and connection.vendor == "postgresql")


def test_a_typing_mistake_is_shown_at_its_place() -> None:
    with pytest.raises(RuleError) as raised:
        search("alert.rule = x and proc.nmae = cat")
    assert (raised.value.column, raised.value.hint) == (20, "did you mean proc.name?")


def test_a_search_with_more_tests_than_a_database_takes_is_refused() -> None:
    many = [f"proc.name = p{number} or not alert.rule = r{number}" for number in range(1000)]
    assert both(" or ".join(many[:50]))[0]
    for condition in (" or ".join(many), f"proc.name in ({', '.join(f'p{number}' for number in range(2000))})"):
        with pytest.raises(RuleError, match="too many to search for at once"):
            search(condition)
