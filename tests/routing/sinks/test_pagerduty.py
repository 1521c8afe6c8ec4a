import json

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.pagerduty import PagerDuty, severity
from sensor.alert import Priority
from tests.routing.sinks import samples

SENDER = PagerDuty({"routing_key": "0" * 32})


def test_everything_about_a_group_bears_one_key() -> None:
    keys = {SENDER.payload(samples.message(event))["dedup_key"] for event in ("firing", "acknowledged", "resolved")}
    (key,) = keys
    assert len(key) <= 255


@pytest.mark.parametrize(
    ("event", "action"),
    [("firing", "trigger"), ("test", "trigger"), ("acknowledged", "acknowledge"), ("resolved", "resolve")],
)
def test_each_event_has_its_action(event: str, action: str) -> None:
    assert SENDER.payload(samples.message(event))["event_action"] == action


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (Priority.EMERGENCY, "critical"),
        (Priority.ALERT, "critical"),
        (Priority.CRITICAL, "critical"),
        (Priority.ERROR, "error"),
        (Priority.WARNING, "warning"),
        (Priority.NOTICE, "info"),
        (Priority.INFORMATIONAL, "info"),
        (Priority.DEBUG, "info"),
    ],
)
def test_each_priority_has_its_severity(priority: Priority, expected: str) -> None:
    assert severity(priority) == expected


def test_an_event_beyond_every_limit_keeps_what_matters_and_fits() -> None:
    message = samples.enormous()
    payload = SENDER.payload(message)
    assert len(json.dumps(payload, ensure_ascii=False).encode()) <= 512 * 1000
    assert 0 < len(payload["payload"]["summary"]) <= 1024
    assert payload["payload"]["custom_details"]["route"] == "production"


def test_details_that_do_not_fit_are_left_out_longest_first() -> None:
    fields = {f"field.{number:03}": "ü" * 4000 for number in range(300)} | {"short": "kept"}
    payload = SENDER.payload(samples.message("firing", samples.alert(output_fields=fields)))
    assert len(json.dumps(payload, ensure_ascii=False).encode()) <= 512 * 1000
    assert payload["payload"]["custom_details"]["short"] == "kept"


def test_an_alert_without_any_field_has_a_source() -> None:
    payload = SENDER.payload(samples.message("firing", samples.alert(output_fields={}, hostname="")))
    assert payload["payload"]["source"] == "syscall"


def test_the_region_chooses_the_address_and_an_address_wins() -> None:
    assert SENDER.config.region == "us"
    assert PagerDuty.paging
    assert PagerDuty.sends_acknowledged


def events(httpserver: HTTPServer) -> list[tuple[str, str]]:
    sent = [request.get_json() for request, _ in httpserver.log]
    return [(event["event_action"], event["dedup_key"]) for event in sent]


@pytest.mark.parametrize(("status", "verdict"), [(202, Verdict.SENT), (500, Verdict.RETRY)])
def test_what_a_test_begins_it_ends(httpserver: HTTPServer, status: int, verdict: Verdict) -> None:
    httpserver.expect_ordered_request("/v2/enqueue").respond_with_data("", 202)
    httpserver.expect_ordered_request("/v2/enqueue").respond_with_data("", status)
    sender = PagerDuty({"routing_key": "0" * 32, "events_url": httpserver.url_for("/")})
    assert sender.deliver(samples.message("test")).verdict is verdict
    (begun, key), (ended, same) = events(httpserver)
    assert (begun, ended, key) == ("trigger", "resolve", same)


@pytest.mark.parametrize(("event", "status"), [("firing", 202), ("test", 500)])
def test_nothing_else_is_ended_at_once(httpserver: HTTPServer, event: str, status: int) -> None:
    httpserver.expect_request("/v2/enqueue").respond_with_data("", status)
    PagerDuty({"routing_key": "0" * 32, "events_url": httpserver.url_for("/")}).deliver(samples.message(event))
    assert [action for action, _ in events(httpserver)] == ["trigger"]


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        (["Length of 'routing_key' is incorrect (should be 32 characters)"], Verdict.CREDENTIALS),
        (["'payload.summary' is missing or blank"], Verdict.FAILED),
    ],
)
def test_a_400_about_the_key_is_the_sinks_trouble(httpserver: HTTPServer, errors: list[str], verdict: Verdict) -> None:
    httpserver.expect_request("/v2/enqueue").respond_with_json({"status": "invalid event", "errors": errors}, 400)
    sender = PagerDuty({"routing_key": "0" * 32, "events_url": httpserver.url_for("/")})
    assert sender.deliver(samples.message()).verdict is verdict
