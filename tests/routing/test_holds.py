"""Why alerts and routes are held. What that does to messages is in test_pipeline and test_looking."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing import bulk, holds, tree
from routing.holds import Hold, Holds, muted
from routing.lookups import digest_of
from routing.models import Alert, Inhibition, Lookup, MaintenanceWindow, Silence, TimeInterval
from routing.searching import search
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


class TestFirstFree:
    """Of alerts that are given in chunks, those of the first chunk with one that nothing holds."""

    def first_free(self, *chunks: list[Alert]) -> list[Alert]:
        held = build.alert(rule="Noise")
        querysets = [Alert.objects.filter(pk__in=[alert.pk for alert in chunk]) for chunk in chunks]
        return Holds(NOW).first_free(held, querysets)

    @pytest.fixture
    def read(self, monkeypatch: pytest.MonkeyPatch) -> list[list[Alert]]:
        """What the database gave of each chunk."""
        given: list[list[Alert]] = []
        monkeypatch.setattr(bulk, "read_alerts", lambda wanted: given.append(list(wanted)) or given[-1])
        return given

    @pytest.fixture
    def chunks(self) -> list[list[Alert]]:
        noise = [[build.alert(rule="Noise") for _ in range(3)] for _ in range(2)]
        return [*noise, [build.alert(), build.alert(rule="Noise"), build.alert()], [build.alert()]]

    def test_the_silenced_are_left_out(self, chunks: list[list[Alert]], bob: User) -> None:
        silence(bob, condition="alert.rule = Noise")
        assert self.first_free(*chunks) == [chunks[2][0], chunks[2][2]]
        assert self.first_free(*chunks[:2]) == []

    def test_the_database_leaves_out_what_it_can(
        self, chunks: list[list[Alert]], bob: User, read: list[list[Alert]]
    ) -> None:
        silence(bob, condition="alert.rule = Noise")
        self.first_free(*chunks)
        assert read == [[], [], [chunks[2][0], chunks[2][2]]]

    @pytest.mark.parametrize(
        "condition",
        [
            "alert.rule glob No*se",
            "alert.rule = Noise or alert.hostname glob x*",
            "alert.lookup[t.c] = x",
            " or ".join(["alert.rule = Noise"] * 2_001),
        ],
    )
    def test_so_is_what_only_a_function_can_tell(self, condition: str, chunks: list[list[Alert]], bob: User) -> None:
        Lookup.objects.create(name="t", text="alert.rule,c\nNoise,x\n", digest=digest_of("alert.rule,c\nNoise,x\n"))
        silence(bob, condition=condition)
        assert self.first_free(*chunks) == [chunks[2][0], chunks[2][2]]

    def test_in_maintenance_of_everything_nothing_is_free_or_read(
        self, chunks: list[list[Alert]], read: list[list[Alert]]
    ) -> None:
        window(condition="")
        assert self.first_free(*chunks) == []
        assert read == []

    def test_each_may_be_held_by_something_else(
        self, chunks: list[list[Alert]], bob: User, read: list[list[Alert]]
    ) -> None:
        others = [alert.pk for alert in (*chunks[1], chunks[2][1])]
        Alert.objects.filter(pk__in=others).update(rule="Other")
        silence(bob, condition="alert.rule = Noise")
        window(condition="alert.rule = Other")
        assert self.first_free(*chunks) == [chunks[2][0], chunks[2][2]]
        assert [len(found) for found in read] == [0, 3, 2]

    def test_a_condition_is_searched_for_once(
        self, chunks: list[list[Alert]], bob: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silence(bob, condition="alert.rule glob No*se")
        asked: list[str] = []
        monkeypatch.setattr(holds, "search", lambda text: asked.append(text) or search(text))
        self.first_free(*chunks)
        assert asked == ["not (alert.rule glob No*se)"]
