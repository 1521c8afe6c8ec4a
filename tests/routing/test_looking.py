"""Muted routes, maintenance, inhibition, escalation and dry runs, as a group lives through them."""

import pytest
from django.contrib.auth.models import User

from routing import acknowledgements, definitions, pipeline, routes, silences, waiting
from routing.definitions import WINDOWS
from routing.models import (
    ActionRun,
    AlertGroup,
    Delivery,
    EscalationStep,
    Inhibition,
    MaintenanceWindow,
    Route,
    Silence,
    Sink,
    TimeInterval,
)
from tests import build
from tests.build import NOW
from tests.routing.test_pipeline import FINGERPRINT, at, fire, flush, told

pytestmark = pytest.mark.django_db

MINUTE = 60
HOUR = 3600


@pytest.fixture
def sink() -> Sink:
    return build.sink("webhook", name="team", secrets={"url": "http://127.0.0.1:9/"})


@pytest.fixture
def route(sink: Sink) -> Route:
    """Tells at once, speaks every 300 seconds, never repeats, ends after two hours."""
    made = build.route(group_wait=0, group_interval=300, repeat_interval=0, resolve_after=2 * HOUR)
    made.sinks.add(sink)
    return made


def mute(route: Route, start: str = "11:00", end: str = "13:00") -> TimeInterval:
    """NOW is noon."""
    spec = [{"times": [{"start_time": start, "end_time": end}]}]
    made = TimeInterval.objects.create(name="lunch", spec=spec)
    route.mute_in.add(made)
    return made


def sent() -> list[tuple[str, str, str]]:
    """To whom, why and how, of everything owed so far."""
    return list(Delivery.objects.order_by("pk").values_list("sink__name", "reason", "state"))


class TestMuted:
    def test_what_was_muted_is_told_when_the_interval_ends(self, route: Route) -> None:
        mute(route)
        fire(0)
        assert told() == [("firing", "muted by lunch", "suppressed", 1)]
        group = AlertGroup.objects.get()
        assert (group.held_by, group.held_until, group.told_at) == ("muted by lunch", at(HOUR), None)
        assert group.next_flush_at == at(HOUR)
        flush(HOUR)
        assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]
        assert AlertGroup.objects.get().held_by == ""

    def test_more_alerts_while_muted_are_told_with_it_and_logged_once(self, route: Route) -> None:
        mute(route)
        for seconds in (0, 400, 800):
            fire(seconds)
            flush(seconds + 1)
        assert len(told()) == 1
        flush(HOUR)
        assert told()[1:] == [("firing", "first alert of the group", "queued", 3)]

    def test_it_is_told_even_if_it_would_be_resolved_by_then(self, route: Route) -> None:
        Route.objects.update(resolve_after=60)
        mute(route)
        fire(0)
        flush(30 * MINUTE)
        assert AlertGroup.objects.get().state == "firing"
        flush(HOUR)
        flush(HOUR + 5)
        assert [row[:2] for row in told()[1:]] == [
            ("firing", "first alert of the group"),
            ("resolved", "no new alert for a while"),
        ]

    def test_what_was_acknowledged_while_muted_is_not_told(self, route: Route, bob: User) -> None:
        mute(route)
        fire(0)
        acknowledgements.acknowledge(FINGERPRINT, bob, at(60))
        flush(61)
        flush(HOUR)
        assert len(told()) == 1
        assert AlertGroup.objects.get().held_until is None

    def test_the_end_of_what_was_told_before_is_told_while_muted(self, route: Route) -> None:
        fire(0)
        mute(route, "13:00", "24:00")
        flush(2 * HOUR)
        assert told()[1:] == [("resolved", "no new alert for a while", "queued", 1)]

    def test_when_the_interval_is_taken_away_it_is_told_at_once(self, route: Route) -> None:
        mute(route)
        fire(0)
        route.mute_in.clear()
        waiting.look_again(at(60))
        flush(60)
        assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]

    def test_looking_again_while_still_muted_is_not_logged_again(self, route: Route) -> None:
        mute(route)
        fire(0)
        waiting.look_again(at(60))
        flush(60)
        assert len(told()) == 1
        assert AlertGroup.objects.get().next_flush_at == at(HOUR)

    def test_a_route_is_muted_outside_its_active_times(self, route: Route) -> None:
        interval = mute(route, "18:00", "20:00")
        route.mute_in.clear()
        route.active_in.add(interval)
        fire(0)
        assert told() == [("firing", "muted outside lunch", "suppressed", 1)]
        flush(6 * HOUR)
        assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]

    def test_actions_are_asked_for_all_the_same(self, route: Route) -> None:
        build.sensor()
        route.actions.add(build.action())
        mute(route)
        fire(0, own_node=True)
        assert ActionRun.objects.get().state == "awaiting_approval"


def test_a_repeat_that_is_silenced_waits_for_the_next_one(route: Route, bob: User) -> None:
    Route.objects.update(repeat_interval=HOUR, resolve_after=10 * HOUR)
    fire(0)
    silences.create("alert.hostname = node-1", at(HOUR + 30 * MINUTE), bob, "", NOW)
    for seconds in (HOUR, HOUR + 1, HOUR + 40 * MINUTE):
        flush(seconds)
    assert [row[2] for row in told()] == ["sent", "suppressed"]
    flush(2 * HOUR)
    assert told()[2:] == [("firing", "repeat interval passed", "queued", 1)]


class TestMaintenance:
    def test_what_happens_in_maintenance_is_kept_and_never_told(self, route: Route) -> None:
        MaintenanceWindow.objects.create(name="patch day", condition="alert.hostname = node-1", ends_at=at(HOUR))
        fire(0)
        assert told() == [("firing", "maintenance patch day", "suppressed", 1)]
        assert AlertGroup.objects.get().count == 1
        flush(HOUR + 1)
        assert len(told()) == 1
        fire(HOUR + 2)
        assert told()[1:] == [("firing", "first alert of the group", "queued", 1)]

    def test_no_action_is_asked_for(self, route: Route) -> None:
        build.sensor()
        route.actions.add(build.action())
        MaintenanceWindow.objects.create(name="patch day", condition="alert.hostname = node-1", ends_at=at(HOUR))
        fire(0, own_node=True)
        assert not ActionRun.objects.exists()


class TestFlood:
    """More alerts than a message names, and what holds them must not hide the one before them."""

    @pytest.fixture(autouse=True)
    def grouped(self, route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
        Route.objects.update(group_by=[], group_wait=30)
        monkeypatch.setattr("routing.tellings.CHUNK", 20)

    def flood(self) -> None:
        for number in range(1, 151):
            build.alert(time=at(1 + number / 1000), rule="Noise")
        pipeline.route_pending(at(3))

    def test_a_silenced_flood_does_not_hide_another_alert(self, alice: User) -> None:
        silences.create("alert.rule = Noise", at(HOUR), alice, "known", NOW)
        real = fire(0, rule="Root shell", priority="critical")
        self.flood()
        flush(33)
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.alert_ids, delivery.alert_count) == ("queued", [str(real.pk)], 151)

    def test_what_only_the_conditions_function_can_tell_is_found_too(self, alice: User) -> None:
        Inhibition.objects.create(name="shell explains", source="alert.rule = shell", target="alert.rule = Noise")
        real = fire(0, rule="shell")
        self.flood()
        flush(33)
        assert Delivery.objects.get().alert_ids == [str(real.pk)]

    def test_where_all_is_held_nothing_is_told(self, alice: User) -> None:
        silences.create("alert.rule in (Noise, shell)", at(HOUR), alice, "known", NOW)
        fire(0, rule="shell")
        self.flood()
        flush(33)
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.alert_count, len(delivery.alert_ids)) == ("suppressed", 151, 100)
        assert AlertGroup.objects.get().told_count == 151


class TestInhibition:
    @pytest.fixture(autouse=True)
    def rule(self) -> None:
        Inhibition.objects.create(
            name="escape explains",
            source="alert.rule = escape",
            target="alert.rule = shell",
            equal=["alert.hostname"],
        )

    def test_a_target_is_not_told_while_the_sources_group_fires(self, route: Route) -> None:
        fire(0, rule="escape")
        fire(10, rule="shell")
        fire(11, rule="shell", hostname="node-2")
        assert [row[1:3] for row in told()] == [
            ("first alert of the group", "sent"),
            ("inhibited by escape explains", "suppressed"),
            ("first alert of the group", "queued"),
        ]

    def test_source_and_target_may_come_in_one_batch_in_any_order(self, route: Route) -> None:
        build.alert(rule="shell")
        build.alert(rule="escape")
        pipeline.route_pending(NOW)
        assert sorted(row[1] for row in told()) == ["first alert of the group", "inhibited by escape explains"]

    def test_when_the_source_is_resolved_new_targets_are_told(self, route: Route) -> None:
        fire(0, rule="escape")
        fire(10, rule="shell")
        flush(2 * HOUR)
        fire(2 * HOUR + 1, rule="shell")
        flush(2 * HOUR + 2)
        assert [row[1] for row in told()] == [
            "first alert of the group",
            "inhibited by escape explains",
            "no new alert for a while",
            "first alert of the group",
        ]


class TestEscalation:
    @pytest.fixture(autouse=True)
    def steps(self, route: Route) -> None:
        for minutes, name in ((15, "boss"), (60, "everybody")):
            step = EscalationStep.objects.create(route=route, after=minutes * MINUTE)
            step.sinks.add(build.sink("webhook", name=name))

    def test_each_step_is_told_once_after_its_time(self, route: Route) -> None:
        fire(0)
        assert AlertGroup.objects.get().next_flush_at == at(15 * MINUTE)
        flush(15 * MINUTE - 1)
        assert len(sent()) == 1
        flush(15 * MINUTE)
        flush(16 * MINUTE)
        flush(60 * MINUTE)
        flush(61 * MINUTE)
        assert [row[:2] for row in sent()] == [
            ("team", "first alert of the group"),
            ("boss", "not acknowledged after 15 min"),
            ("everybody", "not acknowledged after 1 h"),
        ]

    def test_new_alerts_do_not_put_it_off(self, route: Route) -> None:
        fire(0)
        fire(14 * MINUTE)
        flush(15 * MINUTE)
        boss = Delivery.objects.get(sink__name="boss")
        assert (boss.event, boss.alert_count, len(boss.alert_ids)) == ("firing", 2, 2)

    def test_an_acknowledgement_ends_it_and_a_withdrawal_starts_it_anew(self, route: Route, bob: User) -> None:
        fire(0)
        flush(15 * MINUTE)
        acknowledgements.acknowledge(FINGERPRINT, bob, at(20 * MINUTE))
        flush(20 * MINUTE)
        assert AlertGroup.objects.get().next_step_at is None
        flush(70 * MINUTE)
        acknowledgements.withdraw(FINGERPRINT, bob, at(80 * MINUTE))
        flush(80 * MINUTE)
        flush(94 * MINUTE)
        assert [name for name, *_ in sent()].count("boss") == 2
        flush(95 * MINUTE)
        assert [name for name, *_ in sent()].count("boss") == 3
        assert not Delivery.objects.filter(sink__name="everybody").exists()

    def test_who_was_told_by_a_step_hears_of_the_acknowledgement_and_the_end(self, route: Route, bob: User) -> None:
        fire(0)
        flush(15 * MINUTE)
        acknowledgements.acknowledge(FINGERPRINT, bob, at(20 * MINUTE))
        flush(20 * MINUTE)
        flush(2 * HOUR)
        events = Delivery.objects.filter(sink__name="boss").order_by("pk").values_list("event", flat=True)
        assert list(events) == ["firing", "acknowledged", "resolved"]
        assert not Delivery.objects.filter(sink__name="everybody").exists()

    def test_the_end_of_the_group_ends_it_and_a_new_alert_starts_it_anew(self, route: Route) -> None:
        Route.objects.update(resolve_after=10 * MINUTE)
        fire(0)
        flush(10 * MINUTE)
        flush(15 * MINUTE)
        assert not Delivery.objects.filter(sink__name="boss").exists()
        fire(HOUR)
        assert AlertGroup.objects.get().next_step_at == at(75 * MINUTE)

    def test_the_end_is_not_told_twice_to_who_was_told_in_an_earlier_life(self, route: Route) -> None:
        Route.objects.update(resolve_after=20 * MINUTE)
        fire(0)
        flush(15 * MINUTE)
        flush(20 * MINUTE)
        fire(HOUR)
        flush(HOUR + 10 * MINUTE)
        Route.objects.update(resolve_after=1 * MINUTE)
        flush(HOUR + 15 * MINUTE - 1)
        AlertGroup.objects.update(next_flush_at=at(HOUR + 15 * MINUTE - 1))
        flush(HOUR + 15 * MINUTE - 1)
        events = Delivery.objects.filter(sink__name="boss").order_by("pk").values_list("event", flat=True)
        assert list(events) == ["firing", "resolved"]

    def test_a_silence_puts_it_off_and_it_is_not_lost(self, route: Route, bob: User) -> None:
        fire(0)
        Silence.objects.create(
            condition="", author=bob, starts_at=NOW, ends_at=at(30 * MINUTE), comment="", created_at=NOW
        )
        flush(15 * MINUTE)
        assert AlertGroup.objects.get().next_step_at == at(30 * MINUTE)
        flush(29 * MINUTE)
        assert len(sent()) == 1
        flush(30 * MINUTE)
        assert sent()[1:] == [("boss", "not acknowledged after 15 min", "queued")]

    def test_it_follows_at_once_where_the_silence_is_ended(self, route: Route, bob: User) -> None:
        fire(0)
        silence = silences.create("alert.hostname = node-1", at(HOUR), bob, "", NOW)
        flush(15 * MINUTE)
        silences.end(silence, bob, at(20 * MINUTE))
        flush(20 * MINUTE)
        assert sent()[1:] == [("boss", "not acknowledged after 15 min", "queued")]

    def test_it_follows_at_once_where_the_maintenance_is_called_off(self, route: Route, erin: User) -> None:
        fire(0)
        facts = {"name": "patch day", "condition": "alert.hostname = node-1", "ends_at": at(HOUR).isoformat()}
        window = definitions.save(WINDOWS, None, facts, erin, NOW)
        flush(15 * MINUTE)
        assert len(sent()) == 1
        definitions.delete(WINDOWS, window, erin, at(20 * MINUTE))
        flush(20 * MINUTE)
        assert sent()[1:] == [("boss", "not acknowledged after 15 min", "queued")]

    def test_groups_whose_step_only_comes_later_are_not_looked_at_again(self, route: Route) -> None:
        fire(0)
        waiting.look_again(at(60))
        assert AlertGroup.objects.get().next_flush_at == at(15 * MINUTE)

    def test_a_muted_route_puts_it_off(self, route: Route) -> None:
        fire(0)
        mute(route, "12:10", "12:40")
        flush(15 * MINUTE)
        assert len(sent()) == 1
        flush(40 * MINUTE)
        assert sent()[1:] == [("boss", "not acknowledged after 15 min", "queued")]

    def test_what_nobody_was_told_of_is_not_escalated(self, route: Route, bob: User) -> None:
        Silence.objects.create(condition="", author=bob, starts_at=NOW, ends_at=at(60), comment="", created_at=NOW)
        fire(0)
        flush(HOUR)
        assert [row[2] for row in sent()] == ["suppressed"]

    def test_a_disabled_route_tells_nobody(self, route: Route) -> None:
        fire(0)
        Route.objects.update(enabled=False)
        flush(15 * MINUTE)
        assert len(sent()) == 1


class TestDryRun:
    def test_everything_is_planned_and_nothing_is_told(self, route: Route) -> None:
        Route.objects.update(dry_run=True)
        fire(0)
        flush(2 * HOUR)
        assert told() == [
            ("firing", "dry run: first alert of the group", "suppressed", 1),
            ("resolved", "dry run: no new alert for a while", "suppressed", 1),
        ]

    def test_actions_only_find_out_what_they_would_do(self, route: Route) -> None:
        build.sensor()
        route.actions.add(build.action(mode="automatic"))
        Route.objects.update(dry_run=True)
        fire(0, own_node=True)
        assert ActionRun.objects.get().mode == "dry_run"

    def test_a_dry_run_does_not_stand_in_for_the_real_request_of_another_route(self, route: Route) -> None:
        build.sensor()
        action = build.action()
        route.actions.add(action)
        Route.objects.update(dry_run=True, continues=True)
        build.route(name="real", position=2).actions.add(action)
        fire(0, own_node=True)
        assert sorted(ActionRun.objects.values_list("mode", "state")) == [
            ("approve", "awaiting_approval"),
            ("dry_run", "approved"),
        ]

    def test_what_is_beneath_a_dry_run_is_one(self, route: Route) -> None:
        Route.objects.update(dry_run=True)
        build.route(name="beneath", parent=route)
        fire(0)
        assert [row[2] for row in told()] == ["suppressed"]


def test_an_alert_keeps_the_version_of_the_route_that_took_it(route: Route, erin: User) -> None:
    first = fire(0)
    routes.save(route, {"repeat_interval": 60}, erin, at(1))
    second = fire(2)
    assert [alert.memberships.get().route_version for alert in (first, second)] == [1, 2]


def test_the_children_of_a_route_group_tell_and_end_for_themselves(route: Route, sink: Sink) -> None:
    build.route(name="cats", parent=route, condition="proc.name = cat", group_wait=None, resolve_after=None)
    fire(0)
    fire(1, output_fields={"proc.name": "dog"})
    assert sorted(AlertGroup.objects.values_list("route__name", flat=True)) == ["cats", "everything"]
    assert [delivery.sink for delivery in Delivery.objects.all()] == [sink, sink]
