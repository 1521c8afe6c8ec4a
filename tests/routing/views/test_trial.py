"""Trying an alert: what would become of it, and what is no alert."""

import json
from datetime import timedelta
from typing import Any

import pytest

from routing import tree
from routing.matching import Match
from routing.models import MaintenanceWindow, TimeInterval
from routing.views.trial import NoAlert, attempt, pasted
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
ALERT = {"rule": "A shell", "priority": "Notice", "output_fields": {"proc.name": "sh"}, "tags": ["a"]}


def test_the_route_that_takes_it_says_its_group_and_what_makes_it_wait() -> None:
    route = build.route(group_by=["proc.name"])
    route.mute_in.add(TimeInterval.objects.create(name="always", spec=[{"weekdays": ["monday:sunday"]}]))
    trial = attempt(pasted(json.dumps(ALERT), NOW), tree.load(), NOW)
    (ending,) = trial.endings
    assert ending.labels == {"proc.name": "sh"}
    assert ending.hold is not None
    assert ending.hold.reason == "muted by always"
    assert trial.verdicts == {route.pk: Match.MATCHED}
    assert (trial.hold, trial.hushed) == (None, False)


def test_what_holds_the_alert_itself_is_said() -> None:
    MaintenanceWindow.objects.create(name="move", condition="alert.rule = 'A shell'", ends_at=NOW + timedelta(hours=1))
    trial = attempt(pasted(json.dumps(ALERT), NOW), tree.load(), NOW)
    assert trial.hold is not None
    assert trial.hold.reason == "maintenance move"
    assert trial.hushed


def test_a_pasted_alert_without_a_time_is_of_now_and_one_with_a_time_is_of_that() -> None:
    assert pasted(json.dumps(ALERT), NOW).time == NOW
    earlier = {**ALERT, "time": "2026-11-20T10:00:00Z"}
    assert pasted(json.dumps(earlier), NOW).time.day == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "This is not JSON"),
        ("{", "This is not JSON"),
        ("[" * 100_000, "This is not JSON"),
        ("[]", "one JSON object"),
        ('{"rule": "x"}', "priority: is missing"),
        ('{"rule": "x", "priority": "loud"}', "priority"),
    ],
)
def test_what_is_no_alert_is_said(text: str, said: str) -> None:
    with pytest.raises(NoAlert, match=said):
        pasted(text, NOW)


def test_a_stored_alert_can_be_tried_too() -> None:
    fields: dict[str, Any] = {"rule": "Other"}
    trial = attempt(build.alert(**fields), tree.load(), NOW)
    assert trial.endings == []
