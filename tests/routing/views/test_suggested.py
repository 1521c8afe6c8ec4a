"""Conditions that pages suggest."""

import pytest

from routing import matching
from routing.models import AlertGroup
from routing.views.suggested import like, of_group, quoted
from tests import build


@pytest.mark.django_db
@pytest.mark.parametrize("rule", ["Read sensitive file", 'With "quotes"', "It's one", "Plain", "a = b or c", "%s"])
def test_the_suggested_condition_holds_for_its_alert(rule: str) -> None:
    alert = build.alert(rule=rule, hostname="node-1", output_fields={"proc.name": "my cat", "k8s.ns.name": "prod"})
    condition = like(alert)
    assert matching.compile(condition)(alert)
    assert "proc.name" in condition
    assert not matching.compile(condition)(build.alert(rule="Other"))


def test_a_word_needs_no_quotes() -> None:
    assert quoted("node-1") == "node-1"
    assert quoted("a b") == '"a b"'
    assert quoted('a "b"') == "'a \"b\"'"


@pytest.mark.django_db
def test_a_groups_condition_holds_for_its_alerts() -> None:
    group = AlertGroup(labels={"alert.rule": "Read it", "proc.name": "", "alert.hostname": "node-1"})
    condition = of_group(group)
    assert condition == 'alert.rule = "Read it" and alert.hostname = node-1'
    assert matching.compile(condition)(build.alert(rule="Read it", hostname="node-1"))
