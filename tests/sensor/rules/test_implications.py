"""What follows from conditions that hold together; wrong answers would be wrong advice, so doubt means no."""

import pytest

from sensor.fields import SYSCALL
from sensor.rules import parse, typed
from sensor.rules.checker import Checker
from sensor.rules.implications import MAX_ALTERNATIVES, Facts, conjuncts, contradiction


def checked(*conditions: str) -> list[typed.Condition]:
    checker = Checker(SYSCALL)
    found = [checker.condition(parse(one)) for one in conditions]
    assert checker.errors == []
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    ("known", "follows"),
    [
        ("proc.name = a and proc.pid = 1", "proc.pid = 1"),
        ("proc.name = a", "proc.name = a or proc.name = b"),
        ("proc.name = a and proc.pid = 1", "proc.name in (a, b) and proc.pid < 2"),
        ("proc.name in (ab, ac)", "proc.name startswith a"),
        ("proc.name in (ab, ac)", "proc.name regex a."),
        ("tolower(proc.name) = ab", "tolower(proc.name) startswith a"),
        ("fd.name startswith /etc/ssh", "fd.name contains etc"),
        ("proc.name = a", "not proc.name in (b, c)"),
    ],
)
def test_what_follows_is_known_and_not_the_other_way_round(known, follows):
    one, other = checked(known, follows)
    assert Facts(one).imply(other)
    assert not Facts(other).imply(one)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("proc.name startswith a", "proc.name = ab"),
        ("proc.name in (ab, bc)", "proc.name startswith a"),
        ("proc.name in ()", "proc.name = a"),
        ("proc.name != a", "proc.name = b"),
        ("proc.name = anyof (a, b)", "proc.name = a"),
        ("fd.ip = 10.0.0.1", "fd.ip in (10.0.0.1, 10.0.0.2)"),
        ("evt.rawarg.fd = 1", "evt.rawarg.fd < 2"),
    ],
)
def test_where_nothing_is_certain_nothing_is_told(known, other):
    one, two = checked(known, other)
    assert not Facts(one).imply(two)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("proc.name = a and not proc.name = a", "a condition and its opposite"),
        ("proc.name = a and proc.name = b", "no value of proc.name satisfies"),
        ("tolower(proc.name) = a and tolower(proc.name) = b", "no value of a transformed field"),
        ("proc.name in ()", "proc.name is compared with an empty list"),
        ("fd.sip in ()", "fd.sip is compared with an empty list"),
        ("evt.num = 0", "evt.num is never 0"),
        ("proc.name = a and (proc.name = b or proc.name = c)", "none of its alternatives"),
        ("proc.name = a or proc.name = b", ""),
        ("proc.name in (a, b) and proc.name endswith b", ""),
    ],
)
def test_why_conditions_cannot_hold_together_is_said(condition, why):
    (found,) = checked(condition)
    said = contradiction(conjuncts(found))
    assert why in said
    assert bool(said) == bool(why)


def test_very_many_alternatives_are_not_looked_through():
    alternatives = " or ".join(f"proc.name = a{number}" for number in range(MAX_ALTERNATIVES))
    (found,) = checked(f"proc.name = b and ({alternatives})")
    assert contradiction(conjuncts(found)) == ""
