"""Macros put in place on the tree: what upstream's own tests of its resolver assert, and how much may grow."""

import pytest

from sensor.event import Event, Process
from sensor.rules import load, parse
from sensor.rules.definitions import Definitions, MacroDef
from sensor.rules.errors import RuleError, Source, Span
from sensor.rules.resolver import MAX_LEVELS, MAX_NODES, Resolver
from tests.sensor.rules import vectors

MACROS = "falco_macro_resolver_raw"


def resolver(**macros: str) -> Resolver:
    found = Definitions()
    for order, (name, condition) in enumerate(macros.items(), 1):
        source = Source(name, condition)
        found.macros[name] = MacroDef(name, source, Span(source, 0, 1), order, order)
    return Resolver(found)


def vector(name: str) -> None:
    """The vector is there, in a form that only says what upstream's test does; this file does the same."""
    assert any(case["test"].endswith(name) for case in vectors.read(MACROS))
    vectors.PASSED[MACROS] += 1


def test_a_macro_is_replaced_by_its_condition_wherever_it_stands():
    resolved = resolver(test_macro="test.field exists").with_macros(parse("evt.name exists and not test_macro"))
    assert resolved == parse("evt.name exists and not test.field exists")
    assert resolver().with_macros(resolved) == resolved
    vector("should_resolve_macros_on_a_filter_AST")


def test_macros_within_macros_are_replaced_too():
    found = resolver(b_macro="another.field exists", a_macro="one.field exists and b_macro")
    assert found.with_macros(parse("a_macro")) == parse("one.field exists and another.field exists")
    assert all(macro.used for macro in found.definitions.macros.values())
    vector("should_resolve_macros_on_a_filter_AST_nested_macros")


def test_an_unknown_macro_is_told_with_its_place():
    with pytest.raises(RuleError, match="Undefined macro 'test_macro' used in filter") as caught:
        resolver().with_macros(parse("evt.name exists and not test_macro"))
    assert caught.value.column == 25
    vector("should_find_unknown_macros")


def test_a_tree_in_which_a_macro_was_replaced_does_not_change_with_the_macro_later():
    found = resolver(test_macro="test.field exists")
    resolved = found.with_macros(parse("test_macro"))
    found.definitions.macros["test_macro"].condition = Source("m", "another.field exists")
    assert resolved == parse("test.field exists")
    assert resolved != parse("another.field exists")
    vector("should_clone_macro_AST")


def test_a_loop_is_told_with_its_way():
    found = resolver(a="evt.type = open", b="a or evt.type = close")
    found.definitions.macros["a"].condition = Source("a", "b")
    found.definitions.macros["a"].visibility = 9
    assert found.macro(found.definitions.macros["b"]) is None
    (error,) = found.errors
    assert error.message == "reference loop in macro"
    assert error.hint == "b → a → b"


def test_a_condition_may_not_grow_without_end():
    doubled = {"m0": "proc.pid = 0"}
    doubled |= {f"m{n}": f"(m{n - 1} and proc.pid = {n}) or (m{n - 1} and proc.ppid = {n})" for n in range(1, 30)}
    with pytest.raises(RuleError, match=f"more than {MAX_NODES} parts"):
        resolver(**doubled).condition(parse("m29"))


def test_an_error_within_a_macro_is_shown_in_the_macros_own_line():
    text = "- macro: m\n  condition: |\n    proc.name = a and\n    proc.pid = x\n"
    text += "- rule: r\n  desc: d\n  condition: evt.type = open and m\n  output: o\n  priority: INFO\n"
    (error,) = load([("f", text)]).errors
    assert (error.line, error.column) == (4, 16)
    assert error.snippet.splitlines()[0] == "    proc.pid = x"


def nested(number: int) -> str:
    """Macros that each use the one before, and a rule that uses the last."""
    lines = ["- macro: m0\n  condition: proc.name = a\n"]
    for n in range(1, number):
        word = "and" if n % 2 else "or"
        lines.append(f"- macro: m{n}\n  condition: (m{n - 1} {word} proc.pid = {n})\n")
    rule = "- rule: r\n  desc: d\n  condition: evt.type = open and m{}\n  output: o\n  priority: INFO\n"
    return "".join(lines) + rule.format(number - 1)


def test_macros_within_macros_have_an_end_and_deep_ones_before_it_work():
    (rule,) = load([("f", nested(MAX_LEVELS - 3))]).rules
    last = MAX_LEVELS - 4
    assert rule.matches(Event(type="open", time=0, proc=Process(pid=last, name="b"))) is True
    assert rule.matches(Event(type="open", time=0, proc=Process(pid=0, name="b"))) is False
    (error, *_) = load([("f", nested(3000))]).errors
    assert error.message == f"nested more than {MAX_LEVELS} levels deep once macros are put in place"
