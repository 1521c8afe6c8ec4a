"""Alerts about the sensor itself."""

from sensor.alert import Priority
from sensor.internal import BLIND, LOST, blind_alert, internal_alert

SECOND = 1_000_000_000
SINCE = 1795435200 * SECOND


def test_the_blind_interval_says_since_when_until_when_and_why() -> None:
    alert = blind_alert("node-1", SINCE, SINCE + 90 * SECOND, restarted=True)
    assert (alert.rule, alert.source, alert.priority) == (BLIND, "internal", "Warning")
    assert alert.output_fields["since"] == "2026-11-23T12:00:00.000000000Z"
    assert alert.output_fields["until"] == "2026-11-23T12:01:30.000000000Z"
    assert alert.output_fields["seconds"] == 90.0
    assert "the node restarted" in alert.output


def test_a_clock_that_went_back_makes_no_negative_interval() -> None:
    assert blind_alert("node-1", SINCE, SINCE - SECOND, restarted=False).output_fields["seconds"] == 0.0


def test_an_internal_alert_looks_like_any_other() -> None:
    alert = internal_alert(LOST, "text", "node-1", {"lost": 4}, Priority.ERROR)
    assert alert.hostname == "node-1"
    assert alert.output.endswith(": Error text")
    assert alert.output_fields["lost"] == 4
    assert alert.output_fields["evt.time"] > 0
