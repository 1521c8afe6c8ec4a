"""The engine: which rules speak for an event, in which order, and what a failing rule does to the others."""

import dataclasses

import pytest

from sensor.engine import MAX_TYPES, Engine
from sensor.event import Event, Process
from sensor.fields import SYSCALL, Catalog, Field, Type
from sensor.rules import RuleSet, load


def rule(name: str, condition: str, **more: object) -> str:
    extra = "".join(f"  {key}: {value}\n" for key, value in more.items())
    return f"- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n{extra}"


def ruleset(*rules: str, catalog=None) -> RuleSet:
    found = load([("rules.yaml", "".join(rules))], **({"catalog": catalog} if catalog else {}))
    assert found.errors == []
    return found


def event(kind: str = "execve", name: str | None = "sh", when: int = 0, **more: object) -> Event:
    return Event(type=kind, time=when, num=1, proc=Process(pid=1, name=name), **more)


def names(engine: Engine, one: Event) -> list[str]:
    return [rule.name for rule in engine.evaluate(one)]


def test_the_first_rule_that_matches_speaks_alone():
    rules = ruleset(rule("narrow", "evt.type = execve and proc.name = sh"), rule("wide", "evt.type = execve"))
    assert names(Engine(rules), event()) == ["narrow"]
    assert names(Engine(rules), event(name="ls")) == ["wide"]


def test_all_rules_that_match_speak_where_that_is_wanted():
    rules = ruleset(rule("narrow", "evt.type = execve and proc.name = sh"), rule("wide", "evt.type = execve"))
    assert names(Engine(rules, matching="all"), event()) == ["narrow", "wide"]


def test_only_rules_for_the_events_type_and_source_are_asked():
    rules = ruleset(
        rule("exec", "evt.type = execve"),
        rule("open", "evt.type in (open, openat)"),
        rule("any", "proc.name = sh", warn_evttypes="false"),
        rule("audit", "ka.verb = get", source="k8s_audit"),
    )
    engine = Engine(rules, matching="all")
    assert [one.name for one in engine.candidates("syscall", "execve")] == ["exec", "any"]
    assert [one.name for one in engine.candidates("syscall", "openat")] == ["open", "any"]
    assert [one.name for one in engine.candidates("k8s_audit", "")] == ["audit"]
    assert names(engine, Event(type="", time=0, source="k8s_audit", payload={"verb": "get"})) == ["audit"]
    assert names(engine, Event(type="", time=0, source="okta")) == []


def test_disabled_rules_are_silent():
    assert names(Engine(ruleset(rule("off", "evt.type = execve", enabled="false"))), event()) == []


def test_a_recorded_value_wins_over_what_would_be_computed():
    engine = Engine(ruleset(rule("r", "evt.type = execve and proc.pname = nginx")))
    assert names(engine, event()) == []
    assert names(engine, event(given={"proc.pname": "nginx"})) == ["r"]


def broken(event: object) -> str:
    raise RuntimeError("damaged data")


BROKEN = Catalog(
    "syscall",
    {**SYSCALL.fields, "proc.damaged": Field(name="proc.damaged", type=Type.CHARBUF, doc="", extract=broken)},
    SYSCALL.roots,
    True,
    "evt.type",
)


@pytest.mark.parametrize("matching", ["first", "all"])
def test_a_rule_that_raises_is_counted_and_the_others_are_heard(matching):
    rules = ruleset(
        rule("bad", "evt.type = execve and proc.damaged = a"),
        rule("good", "evt.type = execve and proc.name = sh"),
        catalog={"syscall": BROKEN},
    )
    engine = Engine(rules, matching=matching)
    assert names(engine, event()) == ["good"]
    assert names(engine, event()) == ["good"]
    assert engine.errors == {"bad": 2}


def test_event_types_without_end_do_not_fill_the_memory():
    engine = Engine(ruleset(rule("any", "proc.name = sh", warn_evttypes="false")))
    for number in range(MAX_TYPES * 3):
        assert names(engine, event(f"type{number}")) == ["any"]
    assert len(engine._dispatch) <= 2 * MAX_TYPES
    assert len(engine._index) <= MAX_TYPES


def test_a_rule_without_a_readable_field_stays_silent_and_raises_nothing():
    engine = Engine(ruleset(rule("r", "evt.type = execve and proc.name != sh and fd.name startswith /etc")))
    bare = dataclasses.replace(event(), proc=None)
    assert names(engine, bare) == []
    assert not engine.errors


COUNTED = rule("often", "evt.type = execve and proc.name = sh", count="{by: [proc.name], over: 1m, at_least: 3}")
SECOND = 10**9


def test_a_counting_rule_speaks_when_it_matched_often_enough_in_time_and_then_counts_anew():
    engine = Engine(ruleset(COUNTED))
    spoke = [bool(names(engine, event(when=second * SECOND))) for second in (0, 10, 20, 30, 40, 50, 200, 290, 300)]
    assert spoke == [False, False, True, False, False, True, False, False, False]


def test_matches_that_are_too_far_apart_do_not_add_up():
    engine = Engine(ruleset(COUNTED))
    assert not any(names(engine, event(when=minute * 60 * SECOND)) for minute in range(10))


def test_a_counting_rule_that_has_not_reached_its_number_leaves_the_event_to_the_next_rule():
    engine = Engine(ruleset(COUNTED, rule("next", "evt.type = execve")))
    assert [names(engine, event(when=second * SECOND)) for second in range(3)] == [["next"], ["next"], ["often"]]
