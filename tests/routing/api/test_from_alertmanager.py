import copy
from typing import Any

import pytest

from routing import matching
from routing.admission import Rejected, Row, Sender, admit
from routing.api.from_alertmanager import alerts, recognises
from routing.models import Alert
from sensor.alert import Priority, rfc3339
from tests import build
from tests.asgi import Client

SENDER = Sender(1, "alertmanager", "sensor", "")
# As Alertmanager 0.27 posts it.
WEBHOOK: dict[str, Any] = {
    "receiver": "sensorapp",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {
                "alertname": "KubePodCrashLooping",
                "container": "web",
                "instance": "10.0.3.7:8080",
                "namespace": "shop",
                "pod": "web-7d4b9",
                "severity": "critical",
            },
            "annotations": {
                "description": "Pod shop/web-7d4b9 is in CrashLoopBackOff.",
                "runbook_url": "https://runbooks.example/crash",
                "summary": "Pod is crash looping",
            },
            "startsAt": "2026-11-23T12:00:00.123456789Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=x",
            "fingerprint": "c4e3f7e81d0a4b17",
        },
    ],
    "groupLabels": {"alertname": "KubePodCrashLooping"},
    "commonLabels": {"alertname": "KubePodCrashLooping"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example:9093",
    "version": "4",
    "groupKey": '{}:{alertname="KubePodCrashLooping"}',
    "truncatedAlerts": 0,
}


def webhook(**changes: Any) -> dict[str, Any]:
    """The webhook with one alert, changed; a change to None leaves a member out."""
    changed = copy.deepcopy(WEBHOOK)
    alert = changed["alerts"][0] | changes
    changed["alerts"] = [{name: value for name, value in alert.items() if value is not None}]
    return changed


def row(**changes: Any) -> Row:
    (alert,) = alerts(webhook(**changes))
    return admit(alert, SENDER)


def resolved(**changes: Any) -> Row:
    return row(**{"status": "resolved", "endsAt": "2026-11-23T12:30:00Z", **changes})


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize(("path", "status"), [("/ingest/sa_test/", 200), ("/api/v1/alerts", 202)])
def test_a_webhook_is_stored_once_however_often_it_is_repeated(server: Client, path: str, status: int):
    build.token("sensor", "sa_test")
    for expected in ((1, 0), (0, 1)):
        answer = server.post(path, WEBHOOK, "sa_test")
        assert (answer.status, answer.json()["accepted"], answer.json()["duplicates"]) == (status, *expected)
    alert = Alert.objects.get()
    assert (alert.rule, alert.source, alert.hostname) == ("KubePodCrashLooping", "alertmanager", "10.0.3.7")
    assert alert.priority == Priority.CRITICAL
    assert alert.output == "Pod is crash looping: Pod shop/web-7d4b9 is in CrashLoopBackOff."
    assert alert.tags == ["firing"]
    assert rfc3339(alert.time_ns) == "2026-11-23T12:00:00.123456789Z"
    assert alert.output_fields == {
        "alertmanager.fingerprint": "c4e3f7e81d0a4b17",
        "alertmanager.status": "firing",
        "alertmanager.starts_at": "2026-11-23T12:00:00.123456789Z",
        "alertmanager.generator_url": "http://prometheus.example:9090/graph?g0.expr=x",
        "alertmanager.receiver": "sensorapp",
        "alertmanager.group_key": '{}:{alertname="KubePodCrashLooping"}',
        "alertmanager.url": "http://alertmanager.example:9093",
        "k8s.ns.name": "shop",
        "k8s.pod.name": "web-7d4b9",
        "container.name": "web",
        "labels.alertname": "KubePodCrashLooping",
        "labels.container": "web",
        "labels.instance": "10.0.3.7:8080",
        "labels.namespace": "shop",
        "labels.pod": "web-7d4b9",
        "labels.severity": "critical",
        "annotations.description": "Pod shop/web-7d4b9 is in CrashLoopBackOff.",
        "annotations.runbook_url": "https://runbooks.example/crash",
        "annotations.summary": "Pod is crash looping",
    }


def test_the_end_is_an_alert_of_its_own_that_wakes_nobody():
    end = resolved()
    assert end.uuid != row().uuid
    assert end.fingerprint == row().fingerprint
    assert (end.rule, end.priority, end.tags) == ("KubePodCrashLooping", Priority.INFORMATIONAL, '["resolved"]')
    assert rfc3339(end.time_ns) == "2026-11-23T12:30:00.000000000Z"
    assert end.output.startswith("Resolved: Pod is crash looping")


@pytest.mark.parametrize("ends", [None, "0001-01-01T00:00:00Z", 5])
def test_an_end_without_a_time_has_that_of_the_start(ends: object):
    assert resolved(endsAt=ends).time_ns == row().time_ns


def test_what_is_told_about_a_firing_may_change_and_it_stays_the_same():
    assert row(annotations={"summary": "now 7 restarts"}, generatorURL="http://other").uuid == row().uuid


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0000000000000000"},
        {"startsAt": "2026-11-23T13:00:00Z"},
        {"fingerprint": None},
        {"fingerprint": None, "labels": {"alertname": "KubePodCrashLooping"}},
    ],
)
def test_another_firing_is_another_alert(change: dict[str, Any]):
    assert row(**change).uuid != row().uuid


def test_without_a_fingerprint_the_labels_are_it():
    assert row(fingerprint=None).uuid == row(fingerprint=None).uuid
    labels = WEBHOOK["alerts"][0]["labels"]
    assert row(fingerprint=None).uuid == row(fingerprint="", labels=dict(reversed(labels.items()))).uuid
    assert row(fingerprint=None).uuid != row(fingerprint=None, labels=labels | {"pod": "web-2"}).uuid


def test_another_tokens_alert_is_another_alert():
    (alert,) = alerts(WEBHOOK)
    assert admit(alert, Sender(2, "another", "sensor", "")).uuid != row().uuid


def test_an_idempotency_key_does_not_tell_repeats_apart():
    (alert,) = alerts(WEBHOOK)
    assert admit(alert, SENDER, ("key", 0)).uuid == row().uuid


@pytest.mark.parametrize(
    ("labels", "host"),
    [
        ({"node": "n", "instance": "i:1"}, "n"),
        ({"host": "h", "hostname": "x"}, "h"),
        ({"hostname": "x"}, "x"),
        ({"instance": "db.example:9100"}, "db.example"),
        ({"instance": "[::1]:9100"}, "[::1]"),
        ({"instance": "db.example"}, "db.example"),
        ({"node": "", "instance": 7}, ""),
    ],
)
def test_the_host_is_what_the_labels_call_it(labels: dict[str, Any], host: str):
    assert row(labels={"alertname": "a", **labels}).hostname == host


@pytest.mark.parametrize(
    ("annotations", "output"),
    [
        ({"summary": "s"}, "s"),
        ({"description": "d"}, "d"),
        ({"message": "m"}, "m"),
        ({"summary": "s", "description": "d", "message": "m"}, "s: d"),
        ({"summary": 5}, "KubePodCrashLooping"),
        (None, "KubePodCrashLooping"),
    ],
)
def test_the_output_is_what_the_annotations_say(annotations: dict[str, Any] | None, output: str):
    assert row(annotations=annotations).output == output


def test_a_severity_nobody_knows_is_a_warning():
    assert row(labels={"alertname": "a"}).priority == Priority.WARNING
    assert row(labels={"alertname": "a", "severity": "p1"}).priority == Priority.WARNING


BAD = [
    ({"labels": None}, "labels.alertname"),
    ({"labels": {"alertname": ""}}, "labels.alertname"),
    ({"labels": ["alertname"]}, "labels"),
    ({"labels": {"alertname": 5}}, "rule"),
    ({"annotations": "text"}, "annotations"),
    ({"status": "suppressed"}, "status"),
    ({"status": ["firing"]}, "status"),
    ({"startsAt": None}, "startsAt"),
    ({"startsAt": 5}, "startsAt"),
    ({"startsAt": "0000-01-01T00:00:00Z"}, "time"),
    ({"startsAt": "9999-12-31T23:59:59Z"}, "time"),
    ({"status": "resolved", "endsAt": "yesterday"}, "time"),
]


@pytest.mark.parametrize(("change", "field"), BAD)
def test_what_cannot_be_told_is_rejected_by_name(change: dict[str, Any], field: str):
    with pytest.raises(Rejected) as caught:
        row(**change)
    assert caught.value.field == field
    assert caught.value.reason


@pytest.mark.usefixtures("transactional_db")
def test_a_bad_neighbour_costs_nobody_else(server: Client):
    build.token("sensor", "sa_test")
    good = WEBHOOK["alerts"][0]
    bad = [good | {"fingerprint": "bad", **change} for change, _ in BAD]
    body = WEBHOOK | {"alerts": [good, *bad, None, 5, [], good | {"fingerprint": "another"}]}
    answer = server.post("/ingest/sa_test/", body)
    assert (answer.status, answer.json()["accepted"]) == (200, 2)
    assert [rejected["index"] for rejected in answer.json()["rejected"]] == list(range(1, len(bad) + 4))
    assert answer.json()["rejected"][0] == {"index": 1, "field": "labels.alertname", "reason": "is missing"}


def test_a_group_that_was_cut_says_how_many_are_missing():
    (alert,) = alerts(WEBHOOK | {"truncatedAlerts": 7})
    assert '"alertmanager.truncated":7' in admit(alert, SENDER).output_fields


@pytest.mark.parametrize("told", [None, {}, "text", 5])
def test_a_webhook_whose_alerts_are_no_array_is_rejected(told: object):
    (reason,) = alerts({"alerts": told})
    assert isinstance(reason, Rejected)
    assert (reason.field, reason.reason) == ("alerts", "must be an array")


def test_an_alert_of_falco_is_not_taken_for_a_webhook():
    assert recognises(WEBHOOK)
    assert not recognises(build.posted())
    assert not recognises(build.posted(alerts=[]))


def test_labels_nested_without_end_and_very_many_are_no_error():
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    with pytest.raises(Rejected, match="nested too deeply"):
        row(fingerprint=None, labels={"alertname": "a", "deep": deep})
    many = row(labels={"alertname": "a", **{f"l{number}": "x" * 1_000 for number in range(5_000)}})
    assert "sensorapp.cut" in many.output_fields


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize("condition", ["alert.field[alertmanager.status] = resolved", "alert.tags in (resolved)"])
def test_a_condition_finds_what_is_resolved(server: Client, condition: str):
    build.token("sensor", "sa_test")
    end = webhook(status="resolved", endsAt="2026-11-23T12:30:00Z")
    assert server.post("/ingest/sa_test/", [WEBHOOK, end]).json()["accepted"] == 2
    holds = matching.compile(condition)
    assert {alert.tags[0]: holds(alert) for alert in Alert.objects.all()} == {"firing": False, "resolved": True}
