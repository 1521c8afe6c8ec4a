from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks import alertmanager
from routing.sinks.alertmanager import Alertmanager, label_name, severity
from routing.sinks.base import Message, Verdict
from sensor.alert import Priority
from tests.routing.sinks import samples

LOCAL = {"url": "http://127.0.0.1:9"}


def active(message: Message, **options: Any) -> list[str]:
    """The severities under which the group's alert goes on after a message."""
    payload = Alertmanager({**LOCAL, **options}).payload(message)
    return [one["labels"]["severity"] for one in payload if datetime.fromisoformat(one["endsAt"]) > message.created_at]


def identities(message: Message) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(one["labels"].items()) for one in Alertmanager(LOCAL).payload(message)}


def test_a_group_is_the_same_alert_until_it_ends() -> None:
    other = samples.alert(rule="Another rule", hostname="node-8", priority=Priority.CRITICAL)
    later = samples.message("firing", other)
    labels = samples.message().group.labels
    later = replace(later, group=replace(later.group, labels=labels))
    assert identities(samples.message()) == identities(later) == identities(samples.message("resolved"))


def test_a_group_whose_priority_rises_goes_on_under_one_severity_only() -> None:
    assert active(samples.message()) == ["warning"]
    assert active(samples.message("firing", samples.alert(priority=Priority.EMERGENCY))) == ["critical"]
    assert active(samples.message("resolved")) == []


@pytest.mark.parametrize(
    ("event", "hours", "lasts"),
    [("firing", 24, timedelta(hours=24)), ("firing", 0, timedelta(hours=1)), ("test", 24, timedelta(minutes=5))],
)
def test_an_alert_ends_by_itself(event: str, hours: int, lasts: timedelta) -> None:
    payload = Alertmanager({**LOCAL, "hours": hours}).payload(samples.message(event))
    assert max(one["endsAt"] for one in payload) == (samples.AT + lasts).isoformat()


def test_no_alert_ends_before_it_starts() -> None:
    message = samples.message("resolved")
    late = replace(message, group=replace(message.group, first_seen_at=samples.AT + timedelta(hours=1)))
    assert all(one["startsAt"] <= one["endsAt"] for one in Alertmanager(LOCAL).payload(late))


@pytest.mark.parametrize(
    ("name", "label"), [("alert.rule", "alert_rule"), ("proc.aname[2]", "proc_aname_2_"), ("9lives", "_9lives")]
)
def test_names_of_labels_are_those_prometheus_takes(name: str, label: str) -> None:
    assert label_name(name) == label


def test_every_priority_has_a_severity() -> None:
    assert [severity(priority) for priority in Priority] == ["critical"] * 4 + ["warning"] + ["info"] * 3


def cluster(httpserver: HTTPServer, *statuses: int) -> Alertmanager:
    members = [httpserver.url_for(f"/{number}") for number in range(len(statuses))]
    for number, status in enumerate(statuses):
        httpserver.expect_request(f"/{number}/api/v2/alerts").respond_with_data("", status)
    return Alertmanager({"url": "  ".join(members), "token": "t"})


def test_every_member_is_told_with_the_token(httpserver: HTTPServer) -> None:
    outcome = cluster(httpserver, 200, 200).deliver(samples.message())
    assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")
    assert [request.path for request, _ in httpserver.log] == ["/0/api/v2/alerts", "/1/api/v2/alerts"]
    assert {request.headers["Authorization"] for request, _ in httpserver.log} == {"Bearer t"}


def test_a_member_that_does_not_take_it_is_named_and_holds_nothing_up(httpserver: HTTPServer) -> None:
    outcome = cluster(httpserver, 503, 200).deliver(samples.message())
    assert outcome.verdict is Verdict.SENT
    assert "503" in outcome.error


def test_where_nobody_takes_it_but_somebody_still_may_it_is_tried_again(httpserver: HTTPServer) -> None:
    assert cluster(httpserver, 400, 503).deliver(samples.message()).verdict is Verdict.RETRY


def test_members_that_take_long_do_not_outlast_the_claim(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager, "MOST_SECONDS", -1.0)
    outcome = cluster(httpserver, 200, 200).deliver(samples.message())
    assert outcome.verdict is Verdict.RETRY
    assert not httpserver.log


def test_no_address_is_said_plainly() -> None:
    assert Alertmanager({"url": " "}).deliver(samples.message()).verdict is Verdict.FAILED
