import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer

from routing import outbound
from routing.sinks import alertmanager
from routing.sinks.alertmanager import Alertmanager, label_name, severity
from routing.sinks.base import Message, Verdict
from sensor.alert import Priority
from tests.routing.sinks import samples

LOCAL = {"url": "http://127.0.0.1:9"}


def identities(message: Message) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(one["labels"].items()) for one in Alertmanager(LOCAL).payload(message)}


def test_a_group_is_the_same_alert_until_it_ends() -> None:
    other = samples.alert(rule="Another rule", hostname="node-8", priority=Priority.CRITICAL)
    later = samples.message("firing", other)
    labels = samples.message().group.labels
    later = replace(later, group=replace(later.group, labels=labels))
    assert identities(samples.message()) == identities(samples.message("resolved"))
    without = [dict(identity) | {"severity": ""} for (identity,) in (identities(samples.message()), identities(later))]
    assert without[0] == without[1]


def told(message: Message) -> list[tuple[str, bool]]:
    """The severities that a message tells, and whether the alert goes on under each."""
    payload = Alertmanager(LOCAL).payload(message)
    return [(one["labels"]["severity"], one["endsAt"] > message.created_at.isoformat()) for one in payload]


URGENT = samples.alert(priority=Priority.EMERGENCY)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (samples.message(), [("warning", True)]),
        (samples.message(receipt={"severities": "warning"}), [("warning", True)]),
        (
            samples.message("firing", URGENT, receipt={"severities": "warning"}),
            [("critical", True), ("warning", False)],
        ),
        (
            samples.message(receipt={"severities": "critical info"}),
            [("critical", False), ("info", False), ("warning", True)],
        ),
        (samples.message("resolved"), [("warning", False)]),
        (samples.message("resolved", URGENT, receipt={"severities": "warning"}), [("warning", False)]),
    ],
)
def test_only_what_was_told_before_is_ended(message: Message, expected: list[tuple[str, bool]]) -> None:
    assert told(message) == expected


@pytest.mark.parametrize(
    ("message", "statuses", "receipt"),
    [
        (samples.message(), (200,), {"severities": "warning"}),
        (samples.message("firing", URGENT, receipt={"severities": "warning"}), (503, 200), {"severities": "critical"}),
        (samples.message("resolved", receipt={"severities": "warning"}), (200,), {}),
        (samples.message("resolved", receipt={"severities": "warning"}), (503,), None),
        (samples.message(), (503,), None),
    ],
)
def test_the_severity_that_was_told_is_remembered_until_the_end(
    httpserver: HTTPServer, message: Message, statuses: tuple[int, ...], receipt: dict[str, str] | None
) -> None:
    assert cluster(httpserver, *statuses).deliver(message).receipt == receipt


def test_a_severity_that_may_have_been_told_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "READ_SECONDS", 0.1)
    message = samples.message("firing", URGENT, receipt={"severities": "warning"})
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        members = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in (closed, silent)]
        closed.close()
        outcome = Alertmanager({"url": " ".join(members)}).deliver(message)
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)
    assert outcome.receipt == {"severities": "critical warning"}


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
