"""Sinks: adding one of a kind, write-only secrets, the Test button."""

from datetime import timedelta
from types import SimpleNamespace

from django.utils import timezone
from pytest_httpserver import HTTPServer

from routing.models import AuditEntry, Delivery, Sink
from routing.sinks import base
from routing.views.sink_health import health_of
from tests import build

SLACK = {
    "name": "Slack #sec",
    "option-webhook_url": "https://hooks.example.test/services/TOPSECRET",
    "option-channel": "#sec",
    "option-api_url": "https://slack.com/api",
}


def test_a_sink_is_added_with_its_secret_apart(as_user, erin) -> None:
    answer = as_user(erin).post("/sinks/new/slack/", SLACK)
    sink = Sink.objects.get()
    assert answer.url == f"/sinks/{sink.pk}/"
    assert sink.config["channel"] == "#sec"
    assert "webhook_url" not in sink.config
    assert sink.secrets == {"webhook_url": "https://hooks.example.test/services/TOPSECRET"}
    entry = AuditEntry.objects.get(verb="create")
    assert "TOPSECRET" not in str(entry.after)


def test_a_stored_secret_is_never_shown_and_kept_when_left_empty(as_user, erin) -> None:
    client = as_user(erin)
    client.post("/sinks/new/slack/", SLACK)
    sink = Sink.objects.get()
    for address in (f"/sinks/{sink.pk}/", f"/sinks/{sink.pk}/edit/", "/sinks/", "/audit/"):
        assert "TOPSECRET" not in client.get(address).content.decode()
    client.post(f"/sinks/{sink.pk}/edit/", {**SLACK, "name": "Renamed", "option-webhook_url": ""})
    sink.refresh_from_db()
    assert (sink.name, sink.secrets["webhook_url"][-9:]) == ("Renamed", "TOPSECRET")


def test_an_address_is_not_changed_without_the_secret_that_would_go_there(as_user, erin) -> None:
    client = as_user(erin)
    client.post("/sinks/new/slack/", {**SLACK, "option-webhook_url": "", "option-bot_token": "xoxb-1"})
    sink = Sink.objects.get()
    moved = {**SLACK, "option-webhook_url": "", "option-api_url": "https://evil.example"}
    answer = client.post(f"/sinks/{sink.pk}/edit/", moved)
    assert "api_url leads elsewhere now" in answer.content.decode()
    sink.refresh_from_db()
    assert sink.config["api_url"] == "https://slack.com/api"
    assert client.post(f"/sinks/{sink.pk}/edit/", {**moved, "option-bot_token": "xoxb-2"}).status_code == 302


def test_a_password_in_an_address_is_refused_beside_it(as_user, erin) -> None:
    answer = as_user(erin).post("/sinks/new/loki/", {"name": "loki", "option-url": "https://bob:hunter2@loki"})
    assert "take them out, and use username, password, token" in answer.content.decode()
    assert not Sink.objects.exists()


def test_a_secret_that_was_just_entered_is_not_sent_back(as_user, erin) -> None:
    answer = as_user(erin).post("/sinks/new/slack/", {**SLACK, "name": ""})
    assert "This field is required" in answer.content.decode()
    assert "TOPSECRET" not in answer.content.decode()


def test_an_optional_secret_can_be_forgotten(as_user, erin) -> None:
    client = as_user(erin)
    client.post("/sinks/new/slack/", {**SLACK, "option-bot_token": "xoxb-1"})
    sink = Sink.objects.get()
    client.post(f"/sinks/{sink.pk}/edit/", {**SLACK, "option-webhook_url": "", "option-forget_bot_token": "on"})
    sink.refresh_from_db()
    assert set(sink.secrets) == {"webhook_url"}


def test_the_test_button_shows_what_was_sent_and_what_came_back(as_user, erin, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/TOPSECRET").respond_with_data("ok")
    sink = build.sink("slack", secrets={"webhook_url": httpserver.url_for("/TOPSECRET")})
    text = as_user(erin).post(f"/sinks/{sink.pk}/test/", HTTP_HX_REQUEST="true").content.decode()
    assert "It works" in text
    assert "Test message" in text
    assert "TOPSECRET" not in text
    assert not text.lstrip().startswith("<!doctype")
    assert '<span id="health" class="badge ok" hx-swap-oob="true">OK</span>' in text
    assert Delivery.objects.get(event="test").state == "sent"


def test_the_test_button_works_without_javascript(as_user, erin, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("no_service", status=404)
    sink = build.sink("slack", secrets={"webhook_url": httpserver.url_for("/hook")})
    answer = as_user(erin).post(f"/sinks/{sink.pk}/test/", follow=True)
    assert answer.redirect_chain[-1][0] == f"/sinks/{sink.pk}/"
    assert "answered 404" in answer.content.decode()


def test_a_paused_sink_waits_and_a_resumed_one_is_forgiven(as_user, erin) -> None:
    sink = build.sink("slack", failures=9, open_until=timezone.now() + timedelta(hours=1), disabled_reason="410")
    client = as_user(erin)
    client.post(f"/sinks/{sink.pk}/pause/")
    sink.refresh_from_db()
    assert sink.enabled is False
    client.post(f"/sinks/{sink.pk}/resume/")
    sink.refresh_from_db()
    assert (sink.enabled, sink.failures, sink.open_until, sink.disabled_reason) == (True, 0, None, "")
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True)) == ["pause", "resume"]


def test_the_list_counts_what_was_sent_and_what_waits(as_user, carol, world: SimpleNamespace) -> None:
    now = timezone.now()
    for state in ("sent", "sent", "sent", "failed", "queued"):
        Delivery.objects.create(
            sink=world.sink, reason="r", state=state, next_attempt_at=now, created_at=now, settled_at=now
        )
    row = as_user(carol).get("/sinks/").context["rows"][0]
    assert (row.percent, row.queued, [route.name for route in row.routes]) == ("75 %", 1, ["Production"])


def test_a_kind_whose_package_is_not_there_says_so_wherever_it_is_seen(as_user, erin, monkeypatch) -> None:
    sink = build.sink("kafka", config={"brokers": "127.0.0.1:1"})
    client = as_user(erin)
    said = "Kafka needs the Python package confluent-kafka, which is not installed here"
    pages = ("/sinks/", f"/sinks/{sink.pk}/", f"/sinks/{sink.pk}/edit/", "/sinks/new/kafka/")
    assert not [page for page in pages if said in client.get(page).content.decode()]
    monkeypatch.setattr(base, "_is_installed", lambda package: False)
    assert [page for page in pages if said in client.get(page).content.decode()] == list(pages)
    assert health_of(sink, timezone.now()) == ("bad", "Cannot be used")
    client.post(f"/sinks/{sink.pk}/test/")
    assert Delivery.objects.get().error.startswith(said)


def test_a_sink_whose_secrets_cannot_be_read_is_shown_and_mended(as_user, erin, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    sink = build.lost_secrets(build.sink("webhook", secrets={"url": "https://a.example/"}))
    build.owed(sink, state="failed")
    client = as_user(erin)
    said = "was encrypted with a key that ENCRYPTION_KEYS does not hold"
    pages = ("/sinks/", f"/sinks/{sink.pk}/", f"/sinks/{sink.pk}/edit/")
    assert [page for page in pages if said in client.get(page).content.decode()] == list(pages)
    for page in ("/", "/deliveries/", f"/deliveries/{sink.deliveries.get().pk}/", "/routes/"):
        assert client.get(page).status_code == 200
    tested = client.post(f"/sinks/{sink.pk}/test/", HTTP_HX_REQUEST="true").content.decode()
    assert said in tested
    assert "Cannot be used" in tested
    form = {"name": "mended", "option-method": "POST", "option-url": ""}
    answer = client.post(f"/sinks/{sink.pk}/edit/", form)
    assert "This field is required" in answer.content.decode()
    client.post(f"/sinks/{sink.pk}/edit/", {**form, "option-url": httpserver.url_for("/hook")})
    assert Sink.objects.get(name="mended").secrets == {"url": httpserver.url_for("/hook")}
    assert "It works" in client.post(f"/sinks/{sink.pk}/test/", HTTP_HX_REQUEST="true").content.decode()


def test_a_kind_that_is_gone_is_listed_all_the_same(as_user, carol) -> None:
    sink = build.sink("pigeon")
    client = as_user(carol)
    assert "pigeon (not installed)" in client.get("/sinks/").content.decode()
    assert "pigeon (not installed)" in client.get(f"/sinks/{sink.pk}/").content.decode()


def test_a_sink_has_a_limit_of_its_own_where_it_is_given_one(as_user, erin) -> None:
    client = as_user(erin)
    assert "Empty: 60, which the service takes." in client.get("/sinks/new/slack/").content.decode()
    client.post("/sinks/new/slack/", {**SLACK, "most_per_minute": "0"})
    assert not Sink.objects.exists()
    client.post("/sinks/new/slack/", {**SLACK, "most_per_minute": "7"})
    sink = Sink.objects.get()
    assert sink.most_per_minute == 7
    assert "at most 7" in client.get(f"/sinks/{sink.pk}/").content.decode()
    assert AuditEntry.objects.get(verb="create").after["most_per_minute"] == 7


def test_a_sink_is_deleted_only_when_no_route_leads_there(as_user, erin, world: SimpleNamespace) -> None:
    client = as_user(erin)
    answer = client.post(f"/sinks/{world.sink.pk}/delete/", follow=True)
    assert "still used by the route Production" in answer.content.decode()
    world.route.sinks.clear()
    assert client.post(f"/sinks/{world.sink.pk}/delete/").url == "/sinks/"
    assert not Sink.objects.exists()
    assert "SECRET" not in str(AuditEntry.objects.get(verb="delete").before)


def test_templates_are_previewed_with_the_newest_group_against_the_limit(as_user, erin, world: SimpleNamespace) -> None:
    said = {"title_template": "Look: {{ alert.rule }}", "body_template": "{{ alert.output|nope }}"}
    text = as_user(erin).post("/sinks/preview/slack/", said).content.decode()
    assert "Look: Read sensitive file" in text
    assert "25 of 3000 characters" in text
    assert "line 1: No filter named" in text
    assert f'href="/groups/{world.group.pk}/"' in text
    long = {"body_template": "{% for a in range(60) %}" + "x" * 50 + "{% endfor %}"}
    assert "3000 of 2900 characters: the end will be cut" in (
        as_user(erin).post("/sinks/preview/slack/", long).content.decode()
    )


def test_a_template_that_python_cannot_take_is_refused_in_words(as_user, erin) -> None:
    deep = {"body_template": "{% for a in range(1) %}" * 25 + "{% endfor %}" * 25}
    assert "too many statically nested" in as_user(erin).post("/sinks/preview/slack/", deep).content.decode()
    answer = as_user(erin).post("/sinks/new/slack/", {**SLACK, **deep})
    assert "Too many statically nested" in answer.context["form"].errors["body_template"][0]


def test_what_an_alert_says_does_no_harm_to_a_preview(as_user, erin, world: SimpleNamespace) -> None:
    text = as_user(erin).post("/sinks/preview/slack/", {"body_template": "{{ alert.output }}"}).content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>" not in text


def test_without_alerts_a_preview_is_of_a_test_message(as_user, erin) -> None:
    client = as_user(erin)
    assert "Of a test message" in client.post("/sinks/preview/slack/", {"title_template": "x"}).content.decode()
    assert "the usual words" in client.post("/sinks/preview/slack/", {}).content.decode()
    assert client.post("/sinks/preview/pigeon/", {}).status_code == 404


def test_a_wrong_template_is_shown_at_its_field_and_only_where_the_kind_takes_one(as_user, erin) -> None:
    client = as_user(erin)
    answer = client.post("/sinks/new/slack/", {**SLACK, "body_template": "{{ 1 }}\n{% if %}"})
    assert "Line 2: " in answer.context["form"].errors["body_template"][0]
    client.post("/sinks/new/slack/", {**SLACK, "body_template": "{{ alert.rule }}"})
    assert Sink.objects.get().body_template == "{{ alert.rule }}"
    assert "title_template" not in client.get("/sinks/new/webhook/").context["form"].fields
    assert 'hx-post="/sinks/preview/' not in client.get("/sinks/new/stdout/").content.decode()
