"""All rules of an event type in one function: what they share is found, what the type decides falls away."""

from sensor.fields import SYSCALL
from sensor.rules import load, typed
from sensor.rules.checker import Checker, expand
from sensor.rules.compiler import check_condition
from sensor.rules.dispatch import shared_conditions
from sensor.rules.parser import parse
from sensor.rules.simplify import Simplifier

RULES = """
- macro: interesting
  condition: fd.name glob /etc/*/x or fd.name icontains secret
- rule: a
  desc: d
  condition: evt.type = open and interesting and proc.name = a
  output: o
  priority: INFO
- rule: b
  desc: d
  condition: evt.type = open and interesting and proc.name = b
  output: o
  priority: INFO
"""


def test_a_macro_that_two_rules_use_is_found_to_be_shared_and_its_parts_are_not():
    rules = load([("f", RULES)]).rules
    shared = shared_conditions(rule.checked for rule in rules)
    (one,) = shared
    assert isinstance(one, typed.Any_)
    assert len(one.children) == 2


def test_a_cheap_check_that_two_rules_share_is_not_worth_remembering():
    checker = Checker(SYSCALL)
    conditions = [checker.condition(parse(f"proc.name = a and proc.pid = {number}")) for number in range(3)]
    assert shared_conditions(conditions) == frozenset()


def simplified(condition: str, event_type: str) -> typed.Condition | bool:
    return Simplifier("evt.type", event_type).simplified(check_condition(condition, SYSCALL))


def test_comparisons_with_the_type_are_decided():
    assert simplified("evt.type = open", "open") is True
    assert simplified("evt.type in (open, openat)", "close") is False
    assert simplified("evt.type != open", "close") is True
    assert simplified("not evt.type = open", "open") is False
    assert simplified("evt.type exists", "open") is True
    assert simplified("evt.type = open or proc.name = a", "open") is True
    assert simplified("evt.type = open and proc.name = a", "close") is False


def test_what_the_type_does_not_decide_is_left():
    left = simplified("evt.type = open and proc.name = a or evt.type = close and proc.pid = 1", "open")
    assert isinstance(left, typed.Test)
    assert left.values == ("a",)
    assert isinstance(simplified("evt.type startswith open", "open"), typed.Test)
    assert isinstance(simplified("evt.type = oneof (open, close)", "open"), typed.Test)


def test_a_tree_in_which_nothing_is_a_macro_is_the_same_object():
    tree = parse("proc.name = a and not proc.pid = 1")
    assert expand(tree, {"other": parse("a.b = 1")}) is tree
