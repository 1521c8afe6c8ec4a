"""Why alerts and routes are held. What that does to messages is in test_pipeline and test_looking."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing import tree
from routing.holds import Hold, Holds, muted
from routing.models import Inhibition, MaintenanceWindow, Silence, TimeInterval
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def interval(name: str, start: str, end: str) -> TimeInterval:
    return TimeInterval.objects.create(name=name, spec=[{"times": [{"start_time": start, "end_time": end}]}])


def silence(bob: User, **fields: Any) -> Silence:
    values = {"condition": "alert.hostname = node-1", "starts_at": NOW, "ends_at": NOW + HOUR, "comment": "known"}
    return Silence.objects.create(**{**values, **fields}, author=bob, created_at=NOW)


def window(**fields: Any) -> MaintenanceWindow:
    values = {"name": "patch day", "condition": "alert.hostname = node-1", "ends_at": NOW + 2 * HOUR}
    return MaintenanceWindow.objects.create(**{**values, **fields})


def inhibition() -> Inhibition:
    return Inhibition.objects.create(
        name="worse", source="alert.priority >= critical", target="alert.priority < critical"
    )


def test_what_holds_an_alert_is_a_silence_then_a_window_then_an_inhibition(bob: User) -> None:
    alert = build.alert()
    assert Holds(NOW).of_alert(alert) is None
    inhibition()
    Holds(NOW).notice([(build.alert("critical"), 60)])
    assert Holds(NOW).of_alert(alert) == Hold("inhibited by worse", NOW + timedelta(seconds=60))
    window()
    assert Holds(NOW).of_alert(alert) == Hold("maintenance patch day", NOW + 2 * HOUR)
    silence(bob)
    assert Holds(NOW).of_alert(alert) == Hold("silenced until 2026-11-23 13:00 UTC: known", NOW + HOUR)
    assert Holds(NOW).of_alert(build.alert(hostname="node-2")) == Hold(
        "inhibited by worse", NOW + timedelta(seconds=60)
    )


def test_silences_and_windows_hush_an_alert_and_inhibitions_do_not(bob: User) -> None:
    inhibition()
    Holds(NOW).notice([(build.alert("critical"), 60)])
    alert = build.alert()
    assert Holds(NOW).hushed(alert) is None
    window()
    assert Holds(NOW).hushed(alert) is not None
    MaintenanceWindow.objects.all().delete()
    silence(bob)
    assert Holds(NOW).hushed(alert) is not None


def test_an_alert_is_looked_at_once(bob: User) -> None:
    inhibition()
    holds, alert = Holds(NOW), build.alert()
    assert holds.of_alert(alert) is None
    silence(bob)
    with CaptureQueriesContext(connection) as captured:
        assert holds.of_alert(alert) is None
        assert holds.hushed(alert) is None
    assert len(captured) == 0


@pytest.mark.parametrize(
    ("mute", "active", "expected"),
    [
        ([], [], None),
        (["night"], [], None),
        (["noon"], [], Hold("muted by noon", NOW + HOUR / 2)),
        (["noon", "day"], [], Hold("muted by noon, day", NOW + 5 * HOUR)),
        ([], ["day"], None),
        ([], ["night", "day"], None),
        ([], ["night"], Hold("muted outside night", NOW + 10 * HOUR)),
        ([], ["night", "evening"], Hold("muted outside night, evening", NOW + 6 * HOUR)),
        # Muting goes before being active.
        (["noon"], ["day"], Hold("muted by noon", NOW + HOUR / 2)),
    ],
)
def test_intervals_mute_a_route(mute: list[str], active: list[str], expected: Hold | None) -> None:
    # NOW is noon. The intervals' order is that of their names, so the day has one that comes after noon.
    made = {
        "noon": interval("1 noon", "11:30", "12:30"),
        "day": interval("2 day", "09:00", "17:00"),
        "night": interval("3 night", "22:00", "24:00"),
        "evening": interval("4 evening", "18:00", "20:00"),
    }
    route = build.route()
    route.mute_in.set([made[name] for name in mute])
    route.active_in.set([made[name] for name in active])
    (node,) = tree.load()
    found = muted(node, NOW)
    said = found and Hold("".join(char for char in found.reason if not char.isdigit()).replace("  ", " "), found.until)
    assert said == expected
    assert found is None or found.waits
    assert Holds(NOW).of_route(node) == found
