from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from routing import definitions, inhibition, pipeline
from routing.definitions import INHIBITIONS
from routing.inhibition import KEPT, Inhibitions
from routing.lookups import digest_of
from routing.models import Alert, AlertGroup, Inhibition, InhibitionSource, Lookup
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

ESCAPE, SHELL = 'alert.rule = "Container escape"', 'alert.rule startswith "Shell"'
LATER = NOW + timedelta(minutes=10)


@pytest.fixture
def rule() -> Inhibition:
    return Inhibition.objects.create(name="escape explains", source=ESCAPE, target=SHELL, equal=["alert.hostname"])


def escape(**fields: Any) -> Alert:
    return build.alert(**{"rule": "Container escape", **fields})


def shell(**fields: Any) -> Alert:
    return build.alert(**{"rule": "Shell in container", **fields})


def notice(*alerts: Alert, now: Any = NOW, seconds: int = 3600) -> None:
    Inhibitions(now).notice((alert, seconds) for alert in alerts)


def test_a_target_is_inhibited_while_a_source_with_the_same_values_fires(rule: Inhibition) -> None:
    notice(escape())
    assert Inhibitions(LATER).of(shell()) == (rule, NOW + timedelta(hours=1))
    assert Inhibitions(LATER).of(shell(hostname="node-2")) is None
    assert Inhibitions(LATER).of(build.alert()) is None
    assert Inhibitions(NOW + timedelta(hours=1)).of(shell()) is None


def test_without_a_source_nothing_is_inhibited(rule: Inhibition) -> None:
    notice(shell(), build.alert())
    assert Inhibitions(LATER).of(shell()) is None
    assert not InhibitionSource.objects.exists()


def test_a_disabled_inhibition_inhibits_nothing(rule: Inhibition) -> None:
    notice(escape())
    Inhibition.objects.update(enabled=False)
    assert Inhibitions(LATER).of(shell()) is None


def test_another_source_alert_holds_on_and_an_older_end_does_not_shorten_it(rule: Inhibition) -> None:
    notice(escape())
    notice(escape(), now=LATER)
    notice(escape(), now=LATER, seconds=10)
    assert InhibitionSource.objects.get().until == LATER + timedelta(hours=1)


def test_of_two_routes_the_one_that_resolves_later_counts(rule: Inhibition) -> None:
    alert = escape()
    Inhibitions(NOW).notice([(alert, 3600), (alert, 60)])
    assert InhibitionSource.objects.get().until == NOW + timedelta(hours=1)


def test_a_missing_value_is_like_a_missing_value(rule: Inhibition) -> None:
    Inhibition.objects.update(equal=["k8s.ns.name"])
    notice(escape())
    assert Inhibitions(LATER).of(shell()) is not None
    assert Inhibitions(LATER).of(shell(output_fields={"k8s.ns.name": "prod"})) is None


def test_what_is_source_and_target_does_not_inhibit_itself(rule: Inhibition) -> None:
    Inhibition.objects.update(source="alert.priority >= warning", target="alert.priority >= notice")
    loud, quiet = build.alert("error"), build.alert("notice")
    notice(loud)
    assert Inhibitions(LATER).of(loud) is None
    assert Inhibitions(LATER).of(build.alert("error")) is None
    assert Inhibitions(LATER).of(quiet) is not None


def test_a_source_that_is_no_target_inhibits_what_is_both(rule: Inhibition) -> None:
    Inhibition.objects.update(source="alert.priority >= warning", target="alert.priority <= error")
    notice(build.alert("critical"))
    assert Inhibitions(LATER).of(build.alert("error")) is not None


def test_many_targets_are_asked_for_in_one_query(rule: Inhibition) -> None:
    notice(*(escape(hostname=f"node-{number}") for number in range(10)))
    targets = [shell(hostname=f"node-{number}") for number in range(20)]
    inhibitions = Inhibitions(LATER)
    with CaptureQueriesContext(connection) as captured:
        inhibitions.expect(targets)
        inhibited = [inhibitions.of(target) is not None for target in targets]
    assert len(captured) == 1
    assert inhibited == [True] * 10 + [False] * 10


def test_sources_that_ended_long_ago_are_forgotten(rule: Inhibition) -> None:
    notice(escape())
    notice(escape(hostname="node-2"), now=NOW + timedelta(hours=2) + KEPT)
    assert InhibitionSource.objects.count() == 1


def test_an_inhibition_that_cannot_be_read_inhibits_nothing(rule: Inhibition, caplog: pytest.LogCaptureFixture) -> None:
    Inhibition.objects.update(source="alert.rul = x")
    notice(escape())
    assert Inhibitions(LATER).of(shell()) is None
    assert "condition_broken" in caplog.text


def routed(*fields: dict[str, Any]) -> None:
    """Alerts that a route took, which resolves after an hour."""
    if not AlertGroup.objects.exists():
        build.route(group_by=["alert.rule", "alert.hostname"], resolve_after=3600)
    for one in fields:
        build.alert(**one)
    pipeline.route_pending(NOW)


def written(row: Inhibition | None, by: User, **changes: Any) -> Inhibition:
    facts = {"name": "escape explains", "source": ESCAPE, "target": SHELL, "equal": ["alert.hostname"]}
    return definitions.save(INHIBITIONS, row, changes if row else {**facts, **changes}, by, LATER)


def test_a_new_inhibition_knows_what_fires_already(erin: User) -> None:
    routed({"rule": "Container escape"}, {"rule": "Container escape", "hostname": "node-2"})
    AlertGroup.objects.filter(
        pk=next(one.pk for one in AlertGroup.objects.all() if "node-2" in one.labels.values())
    ).update(state="resolved")
    row = written(None, erin)
    assert Inhibitions(LATER).of(shell()) == (row, NOW + timedelta(hours=1))
    assert Inhibitions(LATER).of(shell(hostname="node-2")) is None
    assert Inhibitions(NOW + timedelta(hours=1)).of(shell()) is None


def test_a_new_inhibition_asks_the_lookup_tables(erin: User) -> None:
    text = "alert.hostname,team\nnode-1,web\n"
    Lookup.objects.create(name="hosts", text=text, digest=digest_of(text))
    routed({"rule": "Container escape"})
    written(None, erin, source="alert.lookup[hosts.team] = web")
    assert InhibitionSource.objects.count() == 1


def test_a_new_inhibition_looks_at_no_more_than_the_newest(erin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inhibition, "MOST_LOOKED_AT", 1)
    routed({"rule": "Container escape"}, {"rule": "Container escape", "hostname": "node-2"})
    written(None, erin)
    assert Inhibitions(LATER).of(shell()) is None
    assert Inhibitions(LATER).of(shell(hostname="node-2")) is not None


def test_an_inhibition_that_is_mended_inhibits_by_what_it_says_now(erin: User) -> None:
    routed({"rule": "Container escape"}, {"rule": "Root login"})
    row = written(None, erin)
    written(row, erin, source='alert.rule = "Nothing of this"')
    assert Inhibitions(LATER).of(shell()) is None
    assert not row.sources.exists()
    written(row, erin, source='alert.rule = "Root login"')
    assert Inhibitions(LATER).of(shell()) is not None
    written(row, erin, enabled=False)
    assert not row.sources.exists()


def test_what_a_batch_writes_of_an_inhibition_as_it_was_counts_for_nothing(erin: User) -> None:
    row = written(None, erin)
    earlier = Inhibitions(LATER)
    written(row, erin, source='alert.rule = "Nothing of this"')
    earlier.notice([(escape(), 3600)])
    assert Inhibitions(LATER).of(shell()) is None
