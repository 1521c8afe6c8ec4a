"""docs/metrics.md and the example alert rules say what the code says."""

import re
from pathlib import Path

import yaml

from routing import metrics
from routing.tallies import Tally
from tests.contract.metric_tables import ALERT_RULES, DOCS, with_table

NAME = re.compile(r"sensorapp_[a-z_]+")
OF_A_TIMING = re.compile(r"_(bucket|sum|count)$")


def names() -> list[str]:
    return [one.name for one in (*metrics.tallies(), *metrics.gauges())]


def test_every_name_is_said_once_and_as_prometheus_wants_it() -> None:
    assert len(names()) == len(set(names()))
    assert [name for name in names() if not NAME.fullmatch(name)] == []


def test_what_grows_and_nothing_else_ends_in_total() -> None:
    growing = {one.name for one in metrics.tallies() if isinstance(one, metrics.Counter)}
    growing |= {gauge.name for gauge in metrics.gauges() if gauge.grows}
    assert {name for name in names() if name.endswith("_total")} == growing


def test_every_number_is_counted_or_read_somewhere() -> None:
    """So that no line of docs/metrics.md is a promise only."""
    used = "".join(path.read_text(encoding="utf-8") for path in Path(metrics.__file__).parent.rglob("*.py"))
    used += (DOCS.parents[1] / "sensorapp" / "celery.py").read_text(encoding="utf-8")
    told = [name for name, value in vars(metrics).items() if isinstance(value, Tally | metrics.Gauge)]
    assert [name for name in told if f"metrics.{name}" not in used] == []


def test_the_table_is_that_of_the_code() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert with_table(text) == text, "run python -m tests.contract.metric_tables"


def test_the_example_rules_ask_for_numbers_that_exist() -> None:
    rules = [rule for group in yaml.safe_load(ALERT_RULES.read_text())["groups"] for rule in group["rules"]]
    asked = {OF_A_TIMING.sub("", name) for rule in rules for name in NAME.findall(rule["expr"])}
    assert asked - set(names()) == set()
    assert [rule["alert"] for rule in rules if not rule["annotations"]["summary"]] == []


def test_every_example_rule_has_its_section_in_the_runbook() -> None:
    runbook = (DOCS.parent / "operating.md").read_text(encoding="utf-8")
    rules = [rule for group in yaml.safe_load(ALERT_RULES.read_text())["groups"] for rule in group["rules"]]
    assert [rule["alert"] for rule in rules if f"### {rule['alert']}\n" not in runbook] == []
