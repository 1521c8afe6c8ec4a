"""The generated function: nothing of a rule's text in its source, each value read once, priorities ordered."""

from types import SimpleNamespace

import pytest

from sensor.event import Event, Process
from sensor.fields import SYSCALL, Catalog, Field, Type, by_name
from sensor.rules import RuleError, compile_condition, parse
from sensor.rules.compiler import check_condition, predicate_source
from sensor.rules.dispatch import dispatcher
from sensor.rules.loader import load

HOSTILE = "x'); import os; os._exit(1)  # \" \\ \n"


@pytest.mark.parametrize("recorded", [False, True])
def test_no_text_of_a_rule_is_in_the_source(recorded):
    marked = "proc.name in ('MARKED one', MARKED_two) and fd.name glob *MARKED* and evt.arg.name regex 'MARKED.*' "
    marked += "and proc.env[MARKED] = MARKED and json.value[/MARKED] contains MARKED and proc.pid = 424242"
    source, constants = predicate_source(check_condition(marked, SYSCALL), SYSCALL, recorded=recorded)
    assert "MARKED" not in source
    assert any("MARKED_two" in value for value in constants.values() if isinstance(value, frozenset))


def test_a_hostile_value_is_only_ever_a_value():
    condition = parse("proc.name = x or proc.cmdline contains y")
    left, right = condition.children
    condition = type(condition)((type(left)(left.left, "=", type(left.right)(HOSTILE), span=left.span), right))
    holds = compile_condition(condition, SYSCALL)
    assert holds(Event(type="execve", time=0, proc=Process(pid=1, name=HOSTILE))) is True
    assert holds(Event(type="execve", time=0, proc=Process(pid=1, name="x"))) is False


def counting_catalog() -> tuple[Catalog, list[str]]:
    reads: list[str] = []

    def read(subject: object) -> str:
        reads.append("read")
        return "value"

    return Catalog("counting", by_name([Field(name="a.b", type=Type.CHARBUF, doc="", extract=read)])), reads


def test_a_computed_value_is_read_at_most_once_for_one_event():
    catalog, reads = counting_catalog()
    holds = compile_condition("a.b = x or a.b = y or a.b startswith z or not a.b contains q", catalog)
    assert holds(SimpleNamespace()) is True
    assert reads == ["read"]


def test_a_computed_value_that_is_not_needed_is_not_read():
    catalog, reads = counting_catalog()
    plain = by_name([Field(name="c.d", type=Type.UINT64, doc="", via=("", "d"))])
    both = Catalog("both", {**catalog.fields, **plain}, {"": ""})
    assert compile_condition("a.b = value and c.d = 1", both)(SimpleNamespace(d=2)) is False
    assert reads == []


def test_one_function_for_all_rules_reads_a_value_once_for_all_of_them():
    catalog, reads = counting_catalog()
    rule = "- rule: r{0}\n  desc: d\n  condition: a.b = {0}\n  output: o\n  priority: INFO\n  source: counting\n"
    ruleset = load([("f", "".join(rule.format(number) for number in range(5)))], catalog={"counting": catalog})
    ask = dispatcher(ruleset.rules, catalog, "", {}, first=True, recorded=False)
    assert ask(SimpleNamespace()) == []
    assert reads == ["read"]


PRIORITY = Field(name="alert.priority", type=Type.PRIORITY, doc="", via=("", "priority"))
PRIORITIES = Catalog("alerts", by_name([PRIORITY]), {"": ""})


@pytest.mark.parametrize(
    ("condition", "priorities"),
    [
        ("alert.priority >= warning", {0, 1, 2, 3, 4}),
        ("alert.priority > warning", {0, 1, 2, 3}),
        ("alert.priority <= warning", {4, 5, 6, 7}),
        ("alert.priority < info", {7}),
        ("alert.priority = Critical", {2}),
        ("alert.priority != debug", {0, 1, 2, 3, 4, 5, 6}),
        ("alert.priority in (emergency, alert)", {0, 1}),
        ("alert.priority >= val(alert.priority)", {0, 1, 2, 3, 4, 5, 6, 7}),
    ],
)
def test_at_least_as_severe_is_what_greater_means_for_priorities(condition, priorities):
    holds = compile_condition(condition, PRIORITIES)
    assert {number for number in range(8) if holds(SimpleNamespace(priority=number))} == priorities
    assert holds(SimpleNamespace(priority=None)) is False


def test_a_priority_that_does_not_exist_is_refused():
    with pytest.raises(RuleError, match="not a priority"):
        compile_condition("alert.priority = high", PRIORITIES)


def test_a_condition_may_have_many_parts_but_not_any_number():
    assert compile_condition(" or ".join(["proc.pid = 1"] * 10_000), SYSCALL)
    with pytest.raises(RuleError, match="more than 20000 parts"):
        compile_condition(" or ".join(["proc.pid = 1"] * 20_001), SYSCALL)


def test_macros_may_be_given():
    holds = compile_condition("shell and proc.pid = 1", SYSCALL, {"shell": parse("proc.name = sh")})
    assert holds(Event(type="execve", time=0, proc=Process(pid=1, name="sh"))) is True
    with pytest.raises(RuleError, match="Undefined macro"):
        compile_condition("shell", SYSCALL)


def test_equal_conditions_are_one_object_so_that_rules_can_share_them():
    checked = check_condition("(proc.name = a or proc.pid = 1) and not (proc.name = a or proc.pid = 1)", SYSCALL)
    positive, negative = checked.children
    assert negative.child is positive
