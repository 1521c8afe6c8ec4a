from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import definitions, holds
from routing.definitions import INHIBITIONS, INTERVALS, WINDOWS, Definition
from routing.faults import Fault
from routing.models import MaintenanceWindow, TimeInterval
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

INTERVAL = {"name": "nights", "spec": [{"weekdays": ["monday:friday"]}]}
WINDOW = {"name": "patch day", "condition": "alert.hostname = node-1", "ends_at": "2026-11-23T14:00:00Z"}
INHIBITION = {"name": "down", "source": "alert.rule = a", "target": "alert.rule = b", "equal": ["alert.hostname"]}


@pytest.mark.parametrize(
    ("definition", "valid", "changes", "field", "said"),
    [
        (INTERVALS, INTERVAL, {"spec": []}, "spec", "An interval is a list"),
        (INTERVALS, INTERVAL, {"spec": [{"weekdays": ["caturday"]}]}, "spec", "'caturday' is not a weekday"),
        (INTERVALS, INTERVAL, {"spec": ["monday"]}, "spec.0", "dictionary"),
        (WINDOWS, WINDOW, {"condition": " "}, "condition", "hold for every alert"),
        (WINDOWS, WINDOW, {"condition": "alert.rul = x"}, "condition", "did you mean alert.rule"),
        (WINDOWS, WINDOW, {"condition": "alert.lookup[teams.team] = x"}, "condition", "no lookup table"),
        (WINDOWS, WINDOW, {"ends_at": None}, "ends_at", "needs an end"),
        (WINDOWS, WINDOW, {"starts_at": "2026-11-23T14:00:00Z"}, "ends_at", "after it starts"),
        (WINDOWS, WINDOW, {"ends_at": "2026-11-23 14:00"}, "ends_at", "timezone"),
        (WINDOWS, WINDOW, {"ends_at": "9999-12-31T23:59:59Z"}, "ends_at", "between 1970 and 2261"),
        (WINDOWS, WINDOW, {"interval": "days"}, "interval", "no time interval called 'days'"),
        (WINDOWS, WINDOW, {"comment": "a\0b"}, "comment", "U+0000"),
        (INHIBITIONS, INHIBITION, {"source": ""}, "source", "hold for every alert"),
        (INHIBITIONS, INHIBITION, {"target": "alert.rul = x"}, "target", "did you mean alert.rule"),
        (INHIBITIONS, INHIBITION, {"source": "alert.lookup[teams.team] = x"}, "source", "no lookup table"),
        (INHIBITIONS, INHIBITION, {"equal": ["alert.hostnam"]}, "equal", "did you mean alert.hostname"),
        (INHIBITIONS, INHIBITION, {"equal": ["alert.lookup[teams.team]"]}, "equal", "no lookup table"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(
    definition: Definition[Any, Any], valid: dict[str, Any], changes: dict[str, Any], field: str, said: str, erin: User
) -> None:
    with pytest.raises(Fault) as fault:
        definitions.save(definition, None, {**valid, **changes}, erin, NOW)
    assert fault.value.field == field
    assert said in str(fault.value)
    definitions.save(definition, None, valid, erin, NOW)


def test_a_window_that_is_made_holds(erin: User) -> None:
    alert = build.alert()
    assert holds.Holds(NOW).of_alert(alert) is None
    definitions.save(WINDOWS, None, WINDOW, erin, NOW)
    held = holds.Holds(NOW).of_alert(alert)
    assert held
    assert held.reason == "maintenance patch day"


def test_an_interval_that_a_route_or_a_window_needs_is_not_deleted(erin: User) -> None:
    interval = definitions.save(INTERVALS, None, INTERVAL, erin, NOW)
    route = build.route()
    route.mute_in.add(interval)
    route.active_in.add(interval)
    window = definitions.save(WINDOWS, None, {**WINDOW, "interval": "nights"}, erin, NOW)
    with pytest.raises(Fault, match="used by the route everything, the maintenance window patch day; change"):
        definitions.delete(INTERVALS, interval, erin, NOW)
    route.delete()
    window.delete()
    definitions.delete(INTERVALS, interval, erin, NOW)
    assert not TimeInterval.objects.exists()


def test_a_window_keeps_its_interval_when_that_gets_another_name(erin: User) -> None:
    interval = definitions.save(INTERVALS, None, INTERVAL, erin, NOW)
    definitions.save(WINDOWS, None, {**WINDOW, "interval": "nights"}, erin, NOW)
    definitions.save(INTERVALS, interval, {"name": "dark hours"}, erin, NOW)
    assert WINDOWS.facts_of(MaintenanceWindow.objects.get())["interval"] == "dark hours"
