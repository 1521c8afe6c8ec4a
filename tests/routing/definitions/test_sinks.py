from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from routing import definitions
from routing.definitions import SINKS
from routing.definitions.sinks import switch, unreadable
from routing.faults import Fault
from routing.models import AuditEntry, Delivery, EscalationStep, Sink
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
HOOK: dict[str, Any] = {"name": "hook", "kind": "webhook", "secrets": {"url": "https://a.example/TOPSECRET"}}


def saved(by: User, row: Sink | None = None, **changes: Any) -> Sink:
    return definitions.save(SINKS, row, changes if row else {**HOOK, **changes}, by, NOW)


def test_a_sink_is_stored_with_its_secrets_apart_and_none_is_given_back_or_remembered(erin: User) -> None:
    secrets = {**HOOK["secrets"], "headers": {"env": "SINK_HEADERS"}, "signing_secret": {"file": "/run/secrets/key"}}
    sink = Sink.objects.get(pk=saved(erin, secrets=secrets, options={"method": "PUT"}).pk)
    assert (sink.config, sink.secrets) == ({"method": "PUT"}, secrets)
    places = {
        "headers": {"env": "SINK_HEADERS"},
        "signing_secret": {"file": "/run/secrets/key"},
        "url": {"stored": True},
    }
    assert SINKS.facts_of(sink) == {
        "name": "hook",
        "kind": "webhook",
        "enabled": True,
        "most_per_minute": None,
        "title_template": "",
        "body_template": "",
        "options": {"method": "PUT"},
        "secrets": places,
    }
    entry = AuditEntry.objects.get()
    assert "TOPSECRET" not in str(entry.after)
    assert entry.after["kept"] == ["headers: env SINK_HEADERS", "signing_secret: file /run/secrets/key", "url: stored"]


def test_secrets_that_cannot_be_read_are_replaced_only_by_new_ones(erin: User) -> None:
    sink = build.lost_secrets(saved(erin, secrets=HOOK["secrets"]))
    assert SINKS.facts_of(sink)["secrets"] == {}
    with pytest.raises(Fault, match="The secret option url is needed"):
        saved(erin, sink, enabled=False)
    log = build.lost_secrets(saved(erin, name="log", kind="kafka", options={"brokers": "a:1"}, secrets={}))
    saved(erin, log, name="renamed")
    assert unreadable(Sink.objects.get(name="renamed"))
    saved(erin, log, secrets={"password": "new"})
    assert Sink.objects.get(name="renamed").secrets == {"password": "new"}
    build.lost_secrets(log)
    saved(erin, log, options={"brokers": "elsewhere:1"})
    assert Sink.objects.get(name="renamed").secrets == {}
    definitions.delete(SINKS, sink, erin, NOW)


def test_secrets_that_are_not_named_stay_and_null_forgets_one(erin: User) -> None:
    sink = saved(erin, secrets={**HOOK["secrets"], "headers": "A: b"})
    sink = saved(erin, sink, name="renamed")
    sink = saved(erin, sink, secrets={"signing_secret": {"env": "SINK_KEY"}, "url": {"stored": True}})
    assert sink.secrets == {**HOOK["secrets"], "headers": "A: b", "signing_secret": {"env": "SINK_KEY"}}
    assert saved(erin, sink, secrets={"headers": None}).secrets == {
        **HOOK["secrets"],
        "signing_secret": {"env": "SINK_KEY"},
    }
    assert saved(erin, sink, secrets={"url": "https://a.example/"}).secrets["url"] == "https://a.example/"


def test_what_is_so_already_is_not_remembered_again_however_it_is_written(erin: User) -> None:
    sink = saved(erin, secrets={"url": {"env": "SINK_HOOK"}})
    saved(erin, sink, options={}, secrets={"url": {"env": "SINK_HOOK"}}, enabled=True)
    saved(erin, sink, options={"method": "POST"})
    assert AuditEntry.objects.count() == 1
    topic = saved(erin, name="log", kind="kafka", secrets={}, options={"brokers": "127.0.0.1:1", "topic": 7})
    saved(erin, topic, options={"brokers": "127.0.0.1:1", "topic": 7})
    assert (topic.config["topic"], AuditEntry.objects.count()) == ("7", 2)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"kind": "pigeon"}, "kind", "no kind of sink called 'pigeon'"),
        ({"options": {"metod": "PUT"}}, "options.metod", "there are: method"),
        ({"options": {"method": "GET"}}, "options.method", "one of: POST, PUT"),
        ({"options": {"url": "https://a.example/"}}, "options.url", "belongs to the secrets"),
        ({"secrets": {}}, "secrets.url", "is needed"),
        ({"secrets": {"url": ""}}, "secrets.url", "is needed"),
        ({"secrets": {"url": "https://a.example/", "signing_secret": "whsec_!!"}}, "options", "is not base64"),
        ({"kind": "teams", "secrets": {"url": "https://a.webhook.office.com/b"}}, "options", "make a workflow"),
        ({"secrets": {"url": {"stored": True}}}, "secrets.url", "No url is stored yet"),
        ({"secrets": {"method": "PUT"}}, "secrets.method", "there are: headers, signing_secret, url"),
        ({"secrets": {"url": {"env": "A", "file": "/a"}}}, "secrets.url.reference", "write {env: NAME}"),
        ({"secrets": {"url": {}}}, "secrets.url.reference", "write {env: NAME}"),
        ({"secrets": {"url": {"env": "A B"}}}, "secrets.url.reference.env", "pattern"),
        ({"secrets": {"url": {"file": "key"}}}, "secrets.url.reference.file", "pattern"),
        ({"secrets": {"url": {"env": "SECRET_KEY"}}}, "secrets.url", "none that SECRETS_ENV names"),
        ({"secrets": {"url": {"file": "/etc/passwd"}}}, "secrets.url", "is not below /run/secrets"),
        ({"secrets": {"url": ["a"]}}, "secrets.url.text", "valid string"),
        ({"secrets": ["url"]}, "secrets", "dictionary"),
        ({"secrets": {"url": "a.example/hook"}}, "secrets.url", "write it as https://host"),
        ({"kind": "loki", "secrets": {}, "options": {"url": "https://bob:hunter2@loki"}}, "options.url", "password, t"),
        ({"kind": "syslog", "secrets": {}, "options": {"host": "a", "port": -5}}, "options.port", "1 to 65,535"),
        ({"kind": "email", "secrets": {}, "options": {"host": ""}}, "options.host", "is needed"),
        ({"most_per_minute": 0}, "most_per_minute", "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(changes: dict[str, Any], field: str, said: str, erin: User) -> None:
    with pytest.raises(Fault) as fault:
        saved(erin, **changes)
    assert (fault.value.field, said in str(fault.value)) == (field, True), str(fault.value)
    assert not Sink.objects.exists()


def test_a_sink_stays_of_its_kind(erin: User) -> None:
    with pytest.raises(Fault, match="is a webhook and stays one"):
        saved(erin, saved(erin), kind="slack")


@pytest.mark.parametrize(
    "changes",
    [{"secrets": {"url": "https://b.example/"}}, {"options": {"method": "PUT"}}, {"enabled": True}],
    ids=["secrets", "options", "enabled"],
)
def test_a_change_that_may_mend_it_forgives_its_trouble_and_leaves_what_workers_write(
    changes: dict[str, Any], erin: User
) -> None:
    sink = saved(erin, enabled="enabled" not in changes)
    before = Sink.objects.get().revision
    trouble = {"failures": 9, "open_until": LATER, "last_error": "refused", "last_sent_at": NOW}
    Sink.objects.filter(pk=sink.pk).update(**trouble)
    waiting = build.owed(sink, next_attempt_at=LATER)
    saved(erin, sink, **changes)
    sink.refresh_from_db()
    waiting.refresh_from_db()
    assert (sink.failures, sink.open_until, sink.last_error, sink.last_sent_at) == (0, None, "refused", NOW)
    assert (waiting.next_attempt_at, sink.revision) == (NOW, before + 1)


def test_another_name_limit_or_wording_mends_nothing(erin: User) -> None:
    sink = saved(erin)
    stopped = {"enabled": False, "disabled_reason": "410", "warning": "401", "failures": 9, "open_until": LATER}
    Sink.objects.filter(pk=sink.pk).update(**stopped)
    waiting = build.owed(sink, next_attempt_at=LATER)
    saved(erin, sink, name="renamed", most_per_minute=7, body_template="{}", secrets=HOOK["secrets"])
    kept = Sink.objects.values(*stopped, "name", "revision").get()
    assert kept == {**stopped, "name": "renamed", "revision": sink.revision}
    assert Delivery.objects.get(pk=waiting.pk).next_attempt_at == LATER


@pytest.mark.parametrize("reason", ["410", ""], ids=["product", "person"])
def test_a_mended_sink_is_used_again_where_the_product_stopped_and_not_where_a_person_paused(
    reason: str, erin: User
) -> None:
    sink = saved(erin)
    Sink.objects.filter(pk=sink.pk).update(enabled=False, disabled_reason=reason)
    mended = saved(erin, sink, secrets={"url": "https://b.example/"})
    stored = Sink.objects.get()
    assert (mended.enabled, stored.enabled, stored.disabled_reason) == (bool(reason), bool(reason), "")


@pytest.mark.parametrize("how", ["switch", "save"])
def test_a_pause_holds_for_what_the_product_stopped_too_and_for_answers_that_are_under_way(
    how: str, erin: User
) -> None:
    sink = saved(erin)
    before = sink.revision
    Sink.objects.filter(pk=sink.pk).update(disabled_reason="410")
    switch(sink, erin, NOW, enabled=False) if how == "switch" else saved(erin, sink, enabled=False)
    saved(erin, sink, secrets={"url": "https://b.example/"})
    stored = Sink.objects.get()
    assert (stored.enabled, stored.revision) == (False, before + 2)


def test_a_sink_to_which_a_route_leads_is_not_deleted(erin: User) -> None:
    sink, route = saved(erin), build.route()
    route.sinks.add(sink)
    EscalationStep.objects.create(route=route, after=60).sinks.add(sink)
    with pytest.raises(Fault, match="the route everything, the escalation of the route everything; change that"):
        definitions.delete(SINKS, sink, erin, NOW)
    route.delete()
    definitions.delete(SINKS, sink, erin, NOW)
    assert not Sink.objects.exists()


def test_a_sink_of_a_kind_that_is_gone_still_says_what_it_said() -> None:
    assert SINKS.facts_of(build.sink("pigeon", config={"loft": 3}))["options"] == {"loft": 3}


def test_only_who_may_edit_pauses_and_resumes(erin: User, bob: User) -> None:
    sink = build.sink(failures=3)
    waiting = build.owed(sink, next_attempt_at=NOW + timedelta(hours=1))
    with pytest.raises(PermissionDenied):
        switch(sink, bob, NOW, enabled=False)
    switch(sink, erin, NOW, enabled=False)
    assert not Sink.objects.get().enabled
    switch(sink, erin, NOW, enabled=True)
    assert (Sink.objects.get().enabled, Sink.objects.get().failures) == (True, 0)
    assert Delivery.objects.get(pk=waiting.pk).next_attempt_at == NOW
    assert [entry.verb for entry in AuditEntry.objects.order_by("pk")] == ["pause", "resume"]


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        ({"title_template": "x"}, "Webhook takes no title of your own"),
        ({"body_template": "{}\n{{ x|nope }}"}, "Line 2: No filter named 'nope'"),
        ({"body_template": "[{{ alert.rule }}]"}, "It makes no JSON"),
        ({"body_template": "x" * 20_000}, "at most 16384"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(templates: dict[str, str], said: str, erin: User) -> None:
    with pytest.raises(Fault, match=said) as fault:
        saved(erin, **templates)
    assert fault.value.field == next(iter(templates))
    assert not Sink.objects.exists()


MAIL = {"host": "mail.example", "sender": "a@b.example", "recipients": "c@d.example"}
PLACES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    (
        "slack",
        {"channel": "#a"},
        {"bot_token": "TOPSECRET"},
        {"options": {"channel": "#a", "api_url": "https://evil.example"}},
        "api_url",
    ),
    (
        "slack",
        {"channel": "#a"},
        {"bot_token": {"env": "SINK_A"}},
        {"options": {"channel": "#a", "api_url": "http://slack.com/api"}},
        "api_url",
    ),
    ("email", MAIL, {"password": "TOPSECRET"}, {"options": {**MAIL, "host": "evil.example"}}, "host"),
    ("email", MAIL, {"password": "TOPSECRET"}, {"options": {**MAIL, "port": 2525}}, "port"),
    ("nats", {"servers": "a:4222"}, {"token": "TOPSECRET"}, {"options": {"servers": "a:4222, evil:4222"}}, "servers"),
    (
        "alertmanager",
        {"url": "https://a"},
        {"token": "TOPSECRET"},
        {"options": {"url": "https://a https://evil"}},
        "url",
    ),
    ("pagerduty", {}, {"routing_key": "k" * 32}, {"options": {"events_url": "https://evil"}}, "events_url"),
    ("webhook", {}, {"url": "https://a", "headers": "A: b"}, {"secrets": {"url": "https://evil"}}, "url"),
    ("webhook", {}, {"url": "https://a", "headers": "A: b"}, {"secrets": {"url": {"env": "SINK_B"}}}, "url"),
    ("webhook", {}, {"url": {"env": "SINK_A"}, "headers": "A: b"}, {"secrets": {"url": "https://evil"}}, "url"),
]


@pytest.mark.parametrize(("kind", "options", "secrets", "changes", "moved"), PLACES)
def test_a_stored_secret_does_not_follow_to_another_place(
    kind: str, options: dict[str, Any], secrets: dict[str, Any], changes: dict[str, Any], moved: str, erin: User
) -> None:
    sink = saved(erin, kind=kind, options=options, secrets=secrets)
    kept = sink.secrets
    *_, at_stake = secrets
    for said in ({}, {at_stake: {"stored": True}}):
        with pytest.raises(Fault, match=f"{moved} leads elsewhere now, .*: enter {at_stake} again") as fault:
            saved(erin, sink, **{**changes, "secrets": {**changes.get("secrets", {}), **said}})
        assert fault.value.field == f"secrets.{at_stake}"
        sink.refresh_from_db()
        assert sink.secrets == kept
    # Who has it may send it there, and what is forgotten is sent nowhere.
    given = {**changes.get("secrets", {}), at_stake: secrets[at_stake]}
    assert saved(erin, sink, **{**changes, "secrets": given}).secrets[at_stake] == secrets[at_stake]


@pytest.mark.parametrize(
    ("kind", "options", "secrets", "changes"),
    [
        (
            "slack",
            {"channel": "#a"},
            {"bot_token": "x"},
            {"options": {"channel": "#b", "api_url": "https://slack.com/"}},
        ),
        ("loki", {"url": "https://a"}, {"token": "x"}, {"options": {"url": "https://A:443/other/path"}}),
        ("alertmanager", {"url": "https://a https://b"}, {"token": "x"}, {"options": {"url": "https://b"}}),
        ("webhook", {}, {"url": "https://a/b", "headers": "A: b"}, {"secrets": {"url": "https://a/c"}}),
        ("webhook", {}, {"url": "https://a/b", "headers": "A: b"}, {"secrets": {"url": "https://c", "headers": None}}),
        ("discord", {}, {"webhook_url": "https://a/b"}, {"secrets": {"webhook_url": "https://c/d"}}),
        ("slack", {}, {"webhook_url": "https://a/b"}, {"options": {"api_url": "https://c/d"}}),
    ],
)
def test_a_secret_stays_where_nothing_of_it_goes_elsewhere(
    kind: str, options: dict[str, Any], secrets: dict[str, Any], changes: dict[str, Any], erin: User
) -> None:
    sink = saved(erin, kind=kind, options=options, secrets=secrets)
    changed = {**secrets, **changes.get("secrets", {})}
    assert saved(erin, sink, **changes).secrets == {name: said for name, said in changed.items() if said}


def test_options_that_an_earlier_version_stored_can_be_mended(erin: User) -> None:
    sink = build.sink("telegram", config={"chat_id": "1", "api_url": "nowhere"}, secrets={"token": "TOPSECRET"})
    assert saved(erin, sink, options={"chat_id": "2", "api_url": ""}, secrets={"token": "x"}).secrets == {"token": "x"}
    known = build.sink("telegram", config={"chat_id": "1"}, secrets={"token": "TOPSECRET"}, name="without all options")
    assert saved(erin, known, options={"chat_id": "2"}).secrets == {"token": "TOPSECRET"}
