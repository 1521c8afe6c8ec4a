from datetime import timedelta
from typing import Any

import pytest

from routing import pipeline, tree
from routing.grouping import key_of
from routing.inhibition import Inhibitions
from routing.lookups import digest_of
from routing.matching import Match
from routing.models import (
    Acknowledgement,
    AlertGroup,
    Delivery,
    EscalationStep,
    Inhibition,
    Lookup,
    MaintenanceWindow,
    Route,
    Silence,
    TimeInterval,
)
from routing.simulation import Simulation, simulate
from routing.simulation.one import MOST_EXPLAINED, Taken
from sensor.rules.explain import lines
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
KEY = key_of({"alert.rule": "Read sensitive file"})


def tried(**alert: Any) -> Simulation:
    return simulate(build.alert(waits=False, **alert), tree.load(), NOW)


def taken(**alert: Any) -> Taken:
    (one,) = tried(**alert).taken
    return one


def route(**fields: Any) -> Route:
    made = build.route(group_wait=30, **fields)
    made.sinks.add(build.sink(name=f"sink of {made.name}"))
    return made


def test_every_route_says_why_it_takes_the_alert_or_not_and_which_part_held() -> None:
    build.route(name="a", condition="proc.name = cat and not proc.pid = 1", continues=True)
    build.route(name="b", position=2, condition="proc.name = nc or alert.priority >= error")
    last = build.route(name="c", position=3)
    build.route(name="d", position=1, parent=last, condition="proc.name = cat")
    build.route(name="e", position=4, condition="alert.rule = x")
    build.route(name="f", position=5, enabled=False)
    walk = {one.path[-1]: one for one in tried().walk}
    assert {name: one.match for name, one in walk.items()} == {
        "a": Match.MATCHED,
        "b": Match.FALSE,
        "c": Match.PASSED,
        "d": Match.MATCHED,
        "e": Match.ENDED,
        "f": Match.DISABLED,
    }
    assert walk["a"].parts
    assert walk["b"].parts
    assert list(lines(walk["a"].parts)) == [
        "+ all of",
        "  + proc.name = cat   is 'cat'",
        "  + not",
        "    - proc.pid = 1   is 4242",
    ]
    assert list(lines(walk["b"].parts))[:2] == ["- any of", "  - proc.name = nc   is 'cat'"]
    assert [walk[name].parts for name in "cef"] == [None, None, None]


def test_long_conditions_are_only_judged() -> None:
    build.route(condition=" or ".join(["proc.name = nc"] * (MOST_EXPLAINED // 18 + 1)))
    build.route(name="later", position=2, condition="proc.name = cat")
    first, second = tried().walk
    assert (first.match, first.parts, second.match, second.parts) == (Match.FALSE, None, Match.MATCHED, None)


def test_what_is_said_is_what_happens() -> None:
    """The simulation of an alert, and then the alert itself."""
    stored = route()
    stored.actions.add(build.action())
    alert = build.alert(sensor=build.sensor(), own_node=True)
    said = simulate(alert, tree.load(), NOW).taken[0]
    pipeline.route_pending(NOW)
    group = AlertGroup.objects.get()
    assert group.next_flush_at == said.told_at == NOW + 30 * SECOND
    assert said.told_at
    pipeline.flush_due(said.told_at)
    delivery = Delivery.objects.get()
    assert [(one.sink, one.at, one.state, one.reason) for one in said.messages] == [
        (delivery.sink.name, delivery.created_at, delivery.state, delivery.reason)
    ]
    run = group.runs.get()
    assert [(one.state, one.mode, one.description) for one in said.actions] == [(run.state, run.mode, run.description)]


def test_a_group_that_is_there_is_joined_and_told_when_its_time_comes() -> None:
    stored = route(group_interval=300)
    group = build.group(stored, key=KEY, told_at=NOW - 60 * SECOND, told_count=1)
    one = taken()
    assert (one.group.id, one.group.count, one.told_at) == (group.pk, 2, NOW + 240 * SECOND)
    assert one.reason == "new alerts in the group"
    group.refresh_from_db()
    assert group.count == 1


def test_a_group_that_is_over_begins_anew() -> None:
    build.group(route(), key=KEY, state="resolved", count=7, told_count=7, told_at=NOW - HOUR)
    one = taken()
    assert (one.group.state, one.group.count) == ("firing", 1)
    assert (one.told_at, one.reason) == (NOW + 30 * SECOND, "first alert of the group")


def test_a_group_that_collects_already_is_told_as_soon_as_it_was_to_be() -> None:
    build.group(route(), key=KEY, next_flush_at=NOW + SECOND)
    assert taken().told_at == NOW + SECOND


def test_nobody_is_told_of_what_somebody_looks_after(bob) -> None:
    route()
    Acknowledgement.objects.create(fingerprint="f" * 64, user=bob, at=NOW)
    one = taken()
    assert (one.told_at, one.reason, one.messages, one.escalation) == (None, "acknowledged", [], [])
    assert one.group.state == "acknowledged"


def test_everything_that_holds_an_alert_is_named() -> None:
    route()
    Silence.objects.create(condition="alert.rule != x", starts_at=NOW, ends_at=NOW + HOUR, created_at=NOW, comment="w")
    MaintenanceWindow.objects.create(name="patch day", condition="alert.hostname = node-1", ends_at=NOW + 2 * HOUR)
    Inhibition.objects.create(name="down", source="alert.rule = a", target="alert.rule != a")
    Inhibitions(NOW).notice([(build.alert(rule="a", waits=False), 3 * 3600)])
    one = taken()
    assert [(hold.reason.split(" until")[0], hold.until) for hold in one.held] == [
        ("silenced", NOW + HOUR),
        ("maintenance patch day", NOW + 2 * HOUR),
        ("inhibited by down", NOW + 3 * HOUR),
    ]
    assert one.told_at is None
    assert [message.state for message in one.messages] == ["suppressed"]


def test_what_holds_is_what_holds_when_the_group_is_told() -> None:
    route()
    Silence.objects.create(condition="alert.rule != x", starts_at=NOW, ends_at=NOW + 20 * SECOND, created_at=NOW)
    one = taken()
    assert (one.held, one.told_at) == ([], NOW + 30 * SECOND)


def test_a_muted_route_waits() -> None:
    lunch = [{"times": [{"start_time": "11:30", "end_time": "12:30"}]}]
    route().mute_in.add(TimeInterval.objects.create(name="lunch", spec=lunch))
    one = taken()
    assert one.waits
    assert (one.waits.reason, one.told_at) == ("muted by lunch", NOW + HOUR / 2)
    assert [message.at for message in one.messages] == [NOW + HOUR / 2]


def test_a_dry_run_tells_nobody() -> None:
    route(dry_run=True)
    one = taken()
    assert one.dry_run
    assert [(message.state, message.reason) for message in one.messages] == [
        ("suppressed", "dry run: first alert of the group")
    ]


def test_escalation_steps_follow() -> None:
    stored = route()
    oncall = build.sink("pagerduty")
    for after in (900, 60):
        EscalationStep.objects.create(route=stored, after=after).sinks.add(oncall)
    told_at = NOW + 30 * SECOND
    assert [(step.at, step.sinks, step.reason) for step in taken().escalation] == [
        (told_at + 60 * SECOND, ["a pagerduty"], "not acknowledged after 1 min"),
        (told_at + 900 * SECOND, ["a pagerduty"], "not acknowledged after 15 min"),
    ]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"enabled": False}, "paused: the message waits"),
        ({"disabled_reason": "410"}, "switched off: 410"),
        ({"open_until": NOW + HOUR}, "failing: left alone for now"),
        ({"open_until": NOW}, ""),
        ({}, ""),
    ],
)
def test_a_sink_that_does_not_send_says_why(fields: dict[str, Any], note: str) -> None:
    build.route().sinks.add(build.sink(**fields))
    assert [message.note for message in taken().messages] == [note]


def test_actions_say_what_would_become_of_them_and_why_not() -> None:
    stored = route()
    sensor = build.sensor()
    for name, fields in {
        "asks": {"mode": "approve"},
        "is off": {"mode": "off"},
        "is about others": {"condition": "proc.name = nc"},
        "acts": {"mode": "automatic"},
        "is late": {"max_alert_age": 0},
    }.items():
        stored.actions.add(build.action(name=name, **fields))
    found = {one.action: (one.state, one.reason) for one in taken(sensor=sensor, own_node=True).actions}
    assert found == {
        "asks": ("awaiting_approval", ""),
        "is off": ("", "the action is off"),
        "is about others": ("", "the action's condition does not hold"),
        "acts": ("approved", ""),
        "is late": ("skipped", "the alert is older than 0 s"),
    }
    Silence.objects.create(condition="alert.rule != x", starts_at=NOW, ends_at=NOW + HOUR, created_at=NOW, comment="w")
    assert {one.state for one in taken(sensor=sensor, own_node=True).actions} == {""}


def test_tables_are_asked() -> None:
    text = "alert.hostname,team\nnode-1,infra\n"
    Lookup.objects.create(name="hosts", text=text, digest=digest_of(text))
    build.route(condition="alert.lookup[hosts.team] = infra")
    found = tried()
    assert (found.lookups, len(found.taken)) == ({"hosts.team": "infra"}, 1)


def test_what_says_that_another_alert_ended_walks_no_routes() -> None:
    route()
    end = tried(source="alertmanager", output_fields={"alertmanager.status": "resolved"})
    assert (end.walk, end.taken) == ([], [])
    assert taken(source="alertmanager", output_fields={"alertmanager.status": "firing"})
