"""The rules that come with the sensor: each sees what it is for and is quiet about what servers do all day."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sensor.alert import Priority
from sensor.engine import Engine
from sensor.rulefeed import BUILT_IN, compiled, read_files
from sensor.rules.loader import load
from sensor.rules.ruleset import Rule
from sensor.sources import replay

FIXTURES = Path(__file__).parents[1] / "fixtures"
EVENTS = FIXTURES / "events"
DAY = FIXTURES / "server" / "day.jsonl"
ROOT = Path(__file__).parents[2]
RULESET = compiled(read_files([str(BUILT_IN)]))
EVERY_RULE = Engine(RULESET, matching="all")
FIRST_RULE = Engine(RULESET)
PRIORITIES = {rule.name: rule.priority for rule in RULESET.rules}
# What a person needs to act on an alert about a process.
ALWAYS_TOLD = {"user.name", "proc.name", "proc.pid", "proc.cmdline", "proc.pname", "proc.exepath", "container.id"}

BY_HAND = "a person looks after the machine (told, but no warning)"
TOLD_OF_A_PERSON = {
    "Environment of processes read",
    "Execution from a temporary directory",
    "File uploaded from the command line",
    "Network traffic recorded",
    "Service definition changed",
    "Shell start file changed",
    "Shell with a terminal in a container",
    "SSH tunnel opened",
}


def techniques(rule: Rule) -> list[str]:
    """The tags that are MITRE ATT&CK techniques."""
    return [tag for tag in rule.tags if re.fullmatch(r"T\d{4}(\.\d{3})?", tag)]


def recorded() -> list[Any]:
    """Every fixture event as (rule, whether it must match, what it is about, the line)."""
    found = []
    for file in sorted(EVENTS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            event = json.loads(line)
            name = f"{event['rule']}: {event['about']}"
            found.append(pytest.param(event["rule"], event["matches"], line, id=name))
    return found


@pytest.mark.parametrize(("rule", "matches", "line"), recorded())
def test_a_rule_sees_what_it_is_for_and_nothing_else(rule: str, matches: bool, line: str) -> None:
    raised = [found.name for found in EVERY_RULE.evaluate(replay.read(line))]
    assert (rule in raised) is matches
    if not matches:
        assert raised == []


def test_the_rules_without_innocent_explanation_are_defined_first() -> None:
    critical = [rule.priority is Priority.CRITICAL for rule in RULESET.rules]
    assert critical == sorted(critical, reverse=True)


@pytest.mark.parametrize("line", [param.values[2] for param in recorded() if param.values[1]])
def test_no_rule_takes_the_word_from_a_more_severe_one(line: str) -> None:
    [spoken] = FIRST_RULE.evaluate(replay.read(line))
    # A lower number is more severe.
    assert spoken.priority <= PRIORITIES[json.loads(line)["rule"]]


@pytest.mark.parametrize("matches", [True, False])
def test_every_rule_has_an_event_of_each_kind(matches: bool) -> None:
    covered = {param.values[0] for param in recorded() if param.values[1] is matches}
    assert covered == {rule.name for rule in RULESET.rules}


def test_the_rules_load_without_errors_warnings_or_advice() -> None:
    ruleset = load([(file.name, file.text) for file in read_files([str(BUILT_IN)])])
    assert [str(found) for found in (*ruleset.errors, *ruleset.warnings, *ruleset.lints)] == []


def test_there_are_rules_enough_for_what_the_techniques_need() -> None:
    assert len(RULESET.rules) >= 60


@pytest.mark.parametrize("rule", RULESET.rules, ids=lambda rule: rule.name)
def test_every_rule_says_what_it_is_and_what_to_look_at(rule: Rule) -> None:
    assert len(rule.desc) > 60
    assert set(rule.output.fields) >= ALWAYS_TOLD
    assert techniques(rule)
    assert any(tag.startswith("mitre_") for tag in rule.tags)
    assert rule.enabled
    assert rule.priority <= Priority.NOTICE
    # An index by event type keeps them cheap.
    assert rule.event_types is not None


def test_the_most_severe_word_wins_over_the_least_specific() -> None:
    started = {
        "evt.type": "execve",
        "evt.time": 1,
        "evt.rawres": 0,
        "proc.name": "xmrig",
        "proc.exepath": "/tmp/xmrig",
        "proc.pid": 7,
    }
    [rule] = Engine(RULESET).evaluate(replay.read(json.dumps(started)))
    assert rule.name == "Cryptocurrency miner started"


def test_the_day_of_a_server_and_of_a_kubernetes_node_raises_no_warning() -> None:
    raised = [
        (rule.priority, rule.name, json.loads(line)["about"])
        for line in DAY.read_text().splitlines()
        for rule in EVERY_RULE.evaluate(replay.read(line))
    ]
    assert [found for found in raised if found[0] <= Priority.WARNING] == []
    # What a person does by hand is told, and nothing that runs by itself.
    assert {name for _, name, about in raised} == TOLD_OF_A_PERSON
    assert {about for _, name, about in raised} == {BY_HAND}


def test_the_table_of_rules_is_true() -> None:
    page = (ROOT / "docs/rules.md").read_text()
    _, _, section = page.partition("\n## Rules that come with the sensor\n")
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {rule.name} | {rule.priority.label} | {', '.join(techniques(rule))} |"
        for rule in sorted(RULESET.rules, key=lambda rule: rule.name)
    ]
