"""Advice about rules that load: each kind once where it belongs, and none where nothing is wrong."""

import pytest

from sensor.rules import load

RULE = "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"


def rule(name: str, condition: str, more: str = "") -> str:
    return RULE.format(name=name, condition=condition) + more


def lints(*parts: str) -> list[tuple[str, str]]:
    ruleset = load([("f", "".join(parts))])
    assert ruleset.errors == []
    return [(one.code, one.message) for one in ruleset.lints]


def test_a_rule_behind_a_wider_one_is_shadowed():
    wide, narrow = rule("wide", "evt.type = open"), rule("narrow", "evt.type = open and proc.name = a")
    ((code, message),) = lints(wide, narrow)
    assert code == "LINT_SHADOWED"
    assert "'narrow'" in message
    assert lints(narrow, wide) == []


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("evt.type in (open, openat)", "evt.type = open"),
        ("evt.type in (open, openat)", "evt.type in (openat, open) and proc.name = a"),
        ("evt.type = open or evt.type = openat", "evt.type = openat and proc.name = a"),
        ("fd.name startswith /etc", "fd.name startswith /etc/ssh"),
        ("fd.name contains etc", "fd.name startswith /etc/ssh"),
        ("fd.name pmatch (/etc)", "fd.name in (/etc/passwd, /etc/shadow)"),
        ("proc.name != a", "proc.name in (b, c)"),
        ("not proc.name in (a, b)", "proc.name = c"),
        ("proc.pid > 1", "proc.pid = 2"),
    ],
)
def test_a_wider_comparison_shadows_a_narrower_one(wide, narrow):
    assert [code for code, _ in lints(rule("wide", wide), rule("narrow", narrow))] == ["LINT_SHADOWED"]
    assert lints(rule("narrow", narrow), rule("wide", wide)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("evt.type in (open, openat)", "evt.type in (open, creat)"),
        ("fd.name startswith /etc", "fd.name endswith /etc/x"),
        ("fd.name startswith /etc/ssh", "fd.name contains /etc/ssh/x"),
        ("not proc.name in (a, b)", "proc.name in (b, c)"),
        ("fd.sip = 10.0.0.1", "fd.sip in (10.0.0.1, 10.0.0.2)"),
        ("proc.aname in (a, b)", "proc.aname = a"),
        ("proc.name = oneof (a, a)", "proc.name = a"),
    ],
)
def test_a_comparison_that_may_hold_alone_is_not_shadowed(first, second):
    assert lints(rule("first", first), rule("second", second)) == []


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type = open and evt.type = close",
        "evt.type = open and proc.name = a and proc.name = b",
        "evt.type = open and proc.name = a and not proc.name = a",
        "evt.type = open and proc.name in (a, b) and proc.name in (c, d)",
        "evt.type = open and evt.num = 0",
        "evt.type = open and proc.name in ()",
        "evt.type = open and proc.name = bash and proc.name startswith z",
        "evt.type = open and proc.name in (a, b) and not proc.name in (a, b, c)",
        "evt.type = open and proc.pid = 5 and proc.pid > 9",
        "evt.type = open and proc.name = c and (proc.name = a or proc.name = b and proc.pid = 1)",
    ],
)
def test_a_rule_that_can_never_match_is_told(condition):
    assert [code for code, _ in lints(rule("r", condition))] == ["LINT_IMPOSSIBLE"]


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type = open and proc.name = a and proc.pname = b",
        "evt.type = open and (proc.name = a or proc.name = b)",
        "evt.type = open and proc.aname = a and proc.aname = b",
        "evt.type = open and not evt.num = 0",
        "evt.type = open and not proc.name in ()",
        "evt.type = open and proc.name in (a, b) and proc.name != a",
        "evt.type = open and proc.name = c and (proc.name = a or proc.pid = 1)",
    ],
)
def test_a_rule_that_can_match_is_left_alone(condition):
    assert lints(rule("r", condition)) == []


def test_unused_macros_and_lists_are_told():
    parts = "- macro: m\n  condition: evt.type = open\n- list: l\n  items: [a]\n"
    assert [code for code, _ in lints(parts)] == ["LINT_UNUSED", "LINT_UNUSED"]


EXCEPTION = "  exceptions:\n    - {{name: e, fields: [proc.name], values: {values}}}\n"


def test_an_exception_that_the_rule_rules_out_never_applies():
    found = lints(rule("r", "evt.type = open and proc.name = a", EXCEPTION.format(values="[[b]]")))
    assert [code for code, _ in found] == ["LINT_IDLE_EXCEPTION"]
    assert lints(rule("r", "evt.type = open and proc.name in (a, b)", EXCEPTION.format(values="[[b]]"))) == []


def test_an_exception_without_values_is_told():
    assert [code for code, _ in lints(rule("r", "evt.type = open", EXCEPTION.format(values="[]")))] == [
        "LINT_NO_VALUES"
    ]


def test_a_word_that_is_almost_a_lists_name_is_told():
    named = "- list: shell_binaries\n  items: [bash]\n"
    used = rule("a", "evt.type = open and proc.name in (shell_binaries)")
    misspelt = rule("b", "evt.type = close and proc.name in (shell_binarys)")
    ruleset = load([("f", named + used + misspelt)])
    (lint,) = ruleset.lints
    assert lint.code == "LINT_NEAR_MISS"
    assert lint.hint == "did you mean shell_binaries?"
    assert lint.line == 10


def test_upstreams_warnings_and_our_advice_are_apart():
    ruleset = load([("f", "- macro: m\n  condition: evt.type = open\n")])
    assert all(one.code.startswith("LOAD_") for one in ruleset.warnings)
    assert all(one.code.startswith("LINT_") for one in ruleset.lints)
