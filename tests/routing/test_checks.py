import pytest
from django.core.checks import run_checks

from routing import checks
from routing.kinds import scan
from routing.sinks import base
from tests import build


def ids():
    return [message.id for message in run_checks() if message.id.startswith("routing.")]


def test_a_sound_configuration_has_nothing_to_say(settings):
    settings.SITE_URL = "https://sensor.example.com"
    assert ids() == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"DEBUG": True}, "routing.W001"),
        ({"SITE_URL": "http://sensor.example.com"}, "routing.W002"),
        ({"SITE_URL": "http://10.0.0.1:8000"}, "routing.W002"),
        ({"ALLOWED_HOSTS": ["*"]}, "routing.W003"),
        ({"OUTBOUND_ALLOW": ["10.0.0.0/8", "10.1"]}, "routing.E002"),
        ({"SITE_URL": "sensor.example.com"}, "routing.E003"),
        ({"SECRET_KEY": "short"}, "routing.E004"),
        ({"DEADMAN_URL": "hc-ping.com/secret"}, "routing.E006"),
        ({"OTEL_ENDPOINT": "http://[::1"}, "routing.E006"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(settings, changes, found):
    for name, value in changes.items():
        setattr(settings, name, value)
    [message] = [message for message in run_checks() if message.id.startswith("routing.")]
    assert message.id == found
    assert message.hint


def test_a_collector_without_opentelemetry_is_said(settings, monkeypatch):
    settings.OTEL_ENDPOINT = "http://collector.example.com:4318"
    assert ids() == []
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert ids() == ["routing.W006"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:8000"])
def test_plain_http_on_this_machine_is_no_mistake(settings, url):
    settings.SITE_URL = url
    assert ids() == []


def test_a_data_directory_that_cannot_be_is_named(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "made" / "later"
    assert ids() == []
    (tmp_path / "made").write_text("a file in the way")
    assert ids() == ["routing.E005"]


def test_a_kind_that_cannot_be_loaded_is_named():
    def broken():
        raise SyntaxError("invalid syntax (slak.py, line 3)")

    [message] = checks.unloadable({"sinks": broken, "actions": lambda: scan(checks.actions, checks.actions.Responder)})
    assert message.id == "routing.E001"
    assert "routing/sinks cannot be loaded: SyntaxError: invalid syntax (slak.py" in message.msg


@pytest.mark.django_db
def test_a_stored_sink_that_needs_a_package_which_is_not_there_is_named(monkeypatch):
    build.sink(kind="kafka", name="Stream")
    assert not [message for message in run_checks(databases=["default"]) if message.id == "routing.W005"]
    monkeypatch.setattr(base, "_is_installed", lambda package: False)
    [message] = [message for message in run_checks(databases=["default"]) if message.id == "routing.W005"]
    assert "sink 'Stream' cannot be used: Kafka needs the Python package confluent-kafka" in message.msg


@pytest.mark.django_db
def test_stored_sinks_and_actions_of_a_kind_that_is_gone_are_named():
    build.action(kind="vanished")
    build.action(name="another")
    build.sink(kind="telegraph", name="Ops")
    found = [message.msg for message in run_checks(databases=["default"]) if message.id == "routing.W004"]
    assert found == [
        "sink 'Ops' is of the kind 'telegraph', which is not installed",
        "response action 'Kill the process' is of the kind 'vanished', which is not installed",
    ]


@pytest.mark.django_db
def test_routes_that_leave_alerts_to_nobody_are_named():
    def found() -> list[str]:
        return [message.hint for message in run_checks(databases=["default"]) if message.id == "routing.W007"]

    assert found() == []
    top = build.route(name="top", condition="alert.priority >= error")
    build.route(name="beneath", parent=top)
    last = build.route(name="last", position=9, enabled=False)
    [hint] = found()
    assert "without a condition" in hint
    last.enabled = True
    last.save()
    assert found() == []
