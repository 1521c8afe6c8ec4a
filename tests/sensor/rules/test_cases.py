"""Conditions against events: what holds, what does not, what is refused. One file of cases for each subject."""

from pathlib import Path

import pytest
import yaml

from sensor.engine import Engine
from sensor.fields import SYSCALL
from sensor.rules import RuleError, compile_condition, load, parse
from sensor.sources import replay

CASES = Path(__file__).parent / "cases"
FILES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CASES.glob("*.yaml"))}


def judged(verdict: str) -> list[object]:
    return [
        pytest.param(subject["events"][event], condition, id=f"{name}-{event}-{condition}")
        for name, subject in FILES.items()
        for event, conditions in subject.get(verdict, {}).items()
        for condition in conditions
    ]


REFUSED = [
    pytest.param(condition, id=f"{name}-{condition}")
    for name, subject in FILES.items()
    for condition in subject.get("rejected", ())
]


@pytest.mark.parametrize(("event", "condition"), judged("holds"))
def test_the_condition_holds(event, condition):
    assert compile_condition(condition, SYSCALL)(replay.event_of(event)) is True


@pytest.mark.parametrize(("event", "condition"), judged("fails"))
def test_the_condition_does_not_hold(event, condition):
    assert compile_condition(condition, SYSCALL)(replay.event_of(event)) is False


@pytest.mark.parametrize("condition", REFUSED)
def test_the_condition_is_refused(condition):
    with pytest.raises(RuleError):
        compile_condition(condition, SYSCALL)


def test_there_are_at_least_three_hundred_cases():
    assert len(judged("holds")) + len(judged("fails")) + len(REFUSED) >= 300


@pytest.mark.parametrize(("event", "condition"), [*judged("holds"), *judged("fails")])
def test_every_condition_prints_to_one_that_parses_to_the_same_tree(event, condition):
    tree = parse(condition)
    assert parse(str(tree)) == tree


@pytest.mark.parametrize("matching", ["first", "all"])
def test_the_engine_says_of_all_conditions_at_once_what_each_says_alone(matching):
    """One generated function for all rules of an event type agrees with the rules' own functions."""
    for subject in FILES.values():
        conditions = [
            one for verdict in ("holds", "fails") for some in subject.get(verdict, {}).values() for one in some
        ]
        rules = [
            {"rule": condition, "desc": "d", "condition": condition, "output": "o", "priority": "INFO"}
            for condition in dict.fromkeys(conditions)
            if "evt.type." not in condition
        ]
        ruleset = load([("cases.yaml", yaml.safe_dump(rules, width=4000))])
        assert ruleset.errors == []
        engine = Engine(ruleset, matching=matching)
        for recorded in subject["events"].values():
            event = replay.event_of(recorded)
            alone = [rule.name for rule in ruleset.rules if rule.matches(event)]
            together = [rule.name for rule in engine.evaluate(event)]
            assert together == (alone if matching == "all" else alone[:1])
        assert not engine.errors
