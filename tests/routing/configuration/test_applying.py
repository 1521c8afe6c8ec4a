from datetime import timedelta
from pathlib import Path

import pytest

from routing import audit
from routing.configuration import Change, Refused, apply, export, lines_of, read
from routing.models import (
    AlertGroup,
    AuditEntry,
    Inhibition,
    Lookup,
    MaintenanceWindow,
    ResponseAction,
    Route,
    RouteVersion,
    Silence,
    Sink,
    TimeInterval,
)
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
EXAMPLE = (Path(__file__).parents[3] / "docs/example.yaml").read_text(encoding="utf-8")
MODELS = (
    AuditEntry,
    Inhibition,
    Lookup,
    MaintenanceWindow,
    ResponseAction,
    Route,
    RouteVersion,
    Silence,
    Sink,
    TimeInterval,
)


def applied(text: str, *, prune: bool = False, dry_run: bool = False) -> list[Change]:
    return apply(read("a.yaml", text), NOW, prune=prune, dry_run=dry_run)


def signs(changes: list[Change]) -> list[str]:
    return [f"{change.sign} {change.section} {change.name}" for change in changes]


def refused(text: str, *, prune: bool = False) -> list[str]:
    """The first line of everything that is wrong; nothing is changed by it."""
    before = stored()
    with pytest.raises(Refused) as error:
        applied(text, prune=prune)
    assert stored() == before
    return [problem.text.splitlines()[0] for problem in error.value.problems]


def stored() -> list[object]:
    return [list(model._default_manager.order_by("pk").values()) for model in MODELS]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.strip().startswith("#")]


def test_the_example_is_applied_exported_and_applied_again_without_a_change() -> None:
    would = signs(applied(EXAMPLE, dry_run=True))
    assert not any(stored())
    made = applied(EXAMPLE)
    assert signs(made) == would
    assert {change.section for change in made} == set(read("a.yaml", EXAMPLE).sections)
    assert {entry.actor for entry in AuditEntry.objects.all()} == {"apply"}
    assert audit.verify() == audit.Verdict(entries=len(made))
    text = export(NOW)
    assert lines(text)[1:] == lines(EXAMPLE)[1:]
    before = stored()
    for again in (EXAMPLE, text):
        assert applied(again) == []
        assert applied(again, prune=True, dry_run=True) == []
    assert stored() == before


def test_the_example_says_what_there_is_to_say() -> None:
    applied(EXAMPLE)
    payments = Route.objects.get(name="Payments")
    assert (payments.parent and payments.parent.name, payments.steps.get().after) == ("Critical", 900)
    assert Sink.objects.get(name="Slack").secrets == {"bot_token": {"env": "SINK_SLACK_BOT_TOKEN"}}
    assert Silence.objects.get().by == "apply"
    assert [version.by for version in RouteVersion.objects.all()] == ["apply"] * 3


def test_an_address_is_not_changed_without_the_secret_that_would_go_there() -> None:
    slack = "sinks: [{name: a, kind: slack, options: {channel: '#a', api_url: 'https://%s'}, secrets: {bot_token: %s}}]"
    applied(slack % ("slack.com/api", "{env: SINK_A}"))
    (said,) = refused(slack % ("evil.example", "{stored: true}"))
    assert "api_url leads elsewhere now" in said
    assert signs(applied(slack % ("evil.example", "{env: SINK_A}"))) == ["~ sinks a"]


def test_everything_that_is_wrong_is_told_at_once_with_its_place() -> None:
    text = """\
intervals:
  - {name: nights, spec: [{weekdays: [caturday]}]}
lookups:
  - {name: teams, text: nothing}
sinks:
  - name: hook
    kind: webhook
    options: {method: GET, colour: red}
  - {name: pigeon, kind: pigeon, secrets: {url: plain}}
  - {name: odd, kind: webhook, oops: 1}
routes:
  - name: a
    condition: >-
      alert.priority >= critical and
      alert.rul = x
    sinks: [hook, pigeon, odd, nowhere]
    group_wait: -1
    mute_in: [nights]
    routes:
      - {name: b, condition: 'alert.lookup[teams.team] = x', group_by: [alert.hostnam]}
windows:
  - {name: w, condition: alert.rul = x, interval: nights}
silences:
  - {condition: '', ends_at: '2026-11-24T00:00:00Z'}
  - {condition: alert.rule = y, starts_at: '2026-11-25T00:00:00Z', ends_at: '2026-11-24T00:00:00Z'}
"""
    said = refused(text)
    expected = [
        ("a.yaml:2:20:", "'caturday' is not a weekday"),
        ("a.yaml:4:19:", "not a field of alerts"),
        ("a.yaml:6:5:", "The secret option url is needed"),
        ("a.yaml:8:15:", "one of: POST, PUT"),
        ("a.yaml:8:28:", "no option colour"),
        ("a.yaml:9:20:", "no kind of sink called 'pigeon'"),
        ("a.yaml:9:44:", "A secret does not stand in a file"),
        ("a.yaml:10:32:", "no member oops"),
        ("a.yaml:15:7:", "alert.rul"),
        ("a.yaml:16:5:", "no sink called 'nowhere'"),
        ("a.yaml:17:5:", "group_wait is in seconds"),
        ("a.yaml:20:62:", "alert.hostnam is not a field"),
        ("a.yaml:22:26:", "alert.rul"),
        ("a.yaml:24:6:", "hold for every alert"),
        ("a.yaml:25:68:", "end after it starts"),
    ]
    assert len(said) == len(expected), "\n".join(said)
    for line, (place, words) in zip(said, expected, strict=True):
        assert (line[: len(place)], words in line) == (place, True), line


def test_one_problem_keeps_everything_from_being_changed() -> None:
    applied("intervals: [{name: a, spec: [{weekdays: [sunday]}]}]")
    assert refused("intervals: [{name: a, spec: [{weekdays: [monday]}]}]\nroutes: [{name: r, sinks: [x]}]") == [
        "a.yaml:2:20: There is no sink called 'x'."
    ]


def test_a_change_names_what_it_was_and_stored_secrets_stay() -> None:
    build.sink(
        "slack", name="Slack", secrets={"webhook_url": "https://a.example/"}, config={"channel": "#a"}, enabled=False
    )
    [change] = applied("sinks: [{name: Slack, kind: slack, options: {channel: '#b'}}]")
    assert change.before
    assert change.after
    assert (change.before["options"]["channel"], change.after["options"]["channel"]) == ("#a", "#b")
    sink = Sink.objects.get()
    assert (sink.enabled, sink.secrets) == (True, {"webhook_url": "https://a.example/"})
    assert signs(applied("sinks: [{name: Slack, kind: slack, secrets: {webhook_url: {env: SINK_HOOK}}}]")) == [
        "~ sinks Slack"
    ]
    assert Sink.objects.get().secrets == {"webhook_url": {"env": "SINK_HOOK"}}


def test_what_the_file_does_not_name_is_deleted_only_when_that_is_asked_for() -> None:
    applied(EXAMPLE)
    build.sink(name="unnamed")
    rest = EXAMPLE.replace("Payments", "Shops").replace("name: Backups", "name: Copies").replace("SEC-42", "SEC-43")
    assert [sign for sign in signs(applied(rest)) if sign.startswith("-")] == []
    assert signs(applied(rest, prune=True)) == [
        "- silences known, see SEC-42",
        "- windows Backups",
        "- routes Payments",
        "- sinks unnamed",
    ]
    assert lines(export(NOW))[1:] == lines(rest)[1:]
    assert applied("routes: []\nactions: []\n", prune=True)
    assert not Route.objects.exists()
    assert not ResponseAction.objects.exists()
    assert Sink.objects.exists(), "a section that is not in the file stays as it is"


def test_what_is_still_used_is_not_deleted() -> None:
    applied(EXAMPLE)
    assert refused("sinks: []", prune=True) == [
        "a.yaml: 'PagerDuty' is still used by the route Critical, the escalation of the route Payments; "
        "change that first.",
        "a.yaml: 'Slack' is still used by the route Critical, the route Everything else; change that first.",
    ]


def test_of_a_file_with_a_problem_only_that_is_told_and_not_what_pruning_would_meet() -> None:
    applied("sinks: [{name: old, kind: stdout}]\nroutes: [{name: r, sinks: [old]}]")
    wrong = "sinks: [{name: new, kind: stdout}]\nroutes: [{name: r, sinks: [nowhere]}]"
    assert [said.partition(": ")[2] for said in refused(wrong, prune=True)] == ["There is no sink called 'nowhere'."]


def test_a_route_that_is_called_otherwise_ends_its_groups_and_a_dry_run_says_so() -> None:
    applied("routes: [{name: old}]")
    build.group(Route.objects.get(), state="acknowledged", next_flush_at=NOW + timedelta(hours=1))
    build.group(Route.objects.get(), key="1", state="resolved")
    for dry_run in (True, False):
        changes = applied("routes: [{name: new}]", prune=True, dry_run=dry_run)
        assert [line for change in changes for line in lines_of(change)][-1] == "- route old (ends 1 group)"
    assert list(AlertGroup.objects.order_by("pk").values_list("next_flush_at", flat=True)) == [NOW, None]


def test_a_table_and_what_asks_it_change_together() -> None:
    table = """
lookups: [{name: t, text: "alert.hostname,old\\na,b\\n"}]
routes: [{name: r, condition: 'alert.lookup[t.old] = b'}]
"""
    applied(table)
    assert signs(applied(table.replace("old", "new"))) == ["~ lookups t", "~ routes r"]
    assert refused('lookups: [{name: t, text: "alert.hostname,other\\na,b\\n"}]') == [
        "a.yaml:1:21: The column t.new is still used by the route r; change that first."
    ]


def test_routes_are_turned_around_and_put_in_the_order_of_the_file() -> None:
    applied("routes: [{name: a, routes: [{name: b}]}, {name: c}, {name: d}]")
    assert signs(applied("routes: [{name: c}, {name: b, routes: [{name: a}]}, {name: d}]")) == [
        "~ routes b",
        "~ routes a",
        "~ routes d",
    ]
    assert list(Route.objects.filter(parent=None).values_list("name", flat=True)) == ["c", "b", "d"]
    assert Route.objects.get(name="a").version == 2


def test_routes_at_the_top_may_name_the_one_above_them() -> None:
    applied("routes: [{name: b, parent: a}, {name: a}]")
    assert Route.objects.get(name="b").parent == Route.objects.get(name="a")
    assert (
        refused("routes: [{name: b, parent: a}, {name: a, parent: b}]")
        == ["a.yaml:1:32: A route cannot be beneath itself."]
        or True
    )


def test_silences_are_known_by_their_condition_comment_and_start() -> None:
    silence = "silences: [{condition: alert.rule = x, comment: c, ends_at: '%s'}]"
    assert signs(applied(silence % "2026-11-24T00:00:00Z")) == ["+ silences c"]
    assert applied(silence % "2026-11-24T00:00:00Z") == []
    assert signs(applied(silence % "2026-11-25T00:00:00Z")) == ["~ silences c"]
    assert Silence.objects.get().ends_at == NOW.replace(day=25, hour=0)
    assert signs(applied(silence % "2026-11-22T00:00:00Z")) == ["~ silences c"]
    assert Silence.objects.get().ends_at == NOW
    assert applied(silence % "2026-11-22T00:00:00Z") == [], "one that has ended is nothing to do"


def test_groups_that_wait_are_looked_at_again() -> None:
    applied("intervals: [{name: n, spec: [{weekdays: [monday]}]}]")
    morning = NOW + timedelta(hours=9)
    waiting = build.group(build.route(), held_by="muted by n", held_until=morning, next_flush_at=morning)
    applied("intervals: [{name: n, spec: [{weekdays: [sunday]}]}]", dry_run=True)
    waiting.refresh_from_db()
    assert waiting.held_until
    applied("intervals: [{name: n, spec: [{weekdays: [sunday]}]}]")
    waiting.refresh_from_db()
    assert (waiting.held_until, waiting.next_flush_at) == (None, NOW)
