import base64
import json
from typing import Any

import orjson
import pytest

from routing.admission import Posted, Rejected, Row, Sender, Told, admit
from routing.api.from_cloudevents import alerts, decoded, recognises, told_by, values
from routing.api.problems import Problem
from routing.models import Alert
from sensor.alert import Priority
from tests import build
from tests.asgi import Client

SENDER = Sender(1, "a broker", "sensor", "")
STRUCTURED = {"content_type": "application/cloudevents+json; charset=utf-8"}
BATCHED = {"content_type": "application/cloudevents-batch+json"}


def event(**changes: Any) -> dict[str, Any]:
    """An event; a change to None leaves an attribute out."""
    attributes = {
        "specversion": "1.0",
        "id": "A234-1234-1234",
        "source": "/shop/checkout",
        "type": "example.login.failed",
        "subject": "alice",
        "time": "2026-11-23T12:00:00Z",
        "datacontenttype": "application/json",
        "traceparent": "00-4bf9-01",
        "data": {"message": "wrong password", "severity": "high", "host": "web-1", "tries": 3},
        **changes,
    }
    return {name: value for name, value in attributes.items() if value is not None}


def row(given: dict[str, Any]) -> Row:
    (alert,) = alerts(given)
    return admit(alert, SENDER)


def rejection(given: Any) -> tuple[str, str]:
    (alert,) = alerts(given)
    with pytest.raises(Rejected) as caught:
        admit(alert, SENDER)
    return caught.value.field, caught.value.reason


def binary(given: dict[str, Any]) -> dict[str, str]:
    """The headers of an event in binary mode, as a test's client takes them."""
    return {f"ce_{name}": str(value) for name, value in given.items() if name not in ("data", "datacontenttype")}


FIELDS = {
    "ce.id": "A234-1234-1234",
    "ce.source": "/shop/checkout",
    "ce.type": "example.login.failed",
    "ce.subject": "alice",
    "ce.traceparent": "00-4bf9-01",
    "data.message": "wrong password",
    "data.severity": "high",
    "data.host": "web-1",
    "data.tries": 3,
}


@pytest.mark.usefixtures("transactional_db")
@pytest.mark.parametrize(("path", "status"), [("/ingest/sa_test/", 200), ("/api/v1/alerts", 202)])
def test_all_the_modes_tell_the_same_alert(server: Client, path: str, status: int):
    build.token("sensor", "sa_test")
    posts: list[tuple[Any, dict[str, str]]] = [
        (event(), STRUCTURED),
        ([event()], BATCHED),
        (event()["data"], binary(event()) | {"content_type": "application/json"}),
        (event()["data"], binary(event())),
        (event(), {"content_type": "application/json"}),
        (orjson.dumps(event()) + b"\n" + orjson.dumps(event()), {}),
    ]
    for number, (body, headers) in enumerate(posts):
        answer = server.post(path, body, "sa_test", **headers)
        assert (answer.status, answer.json()["accepted"]) == (status, 0 if number else 1)
    alert = Alert.objects.get()
    assert (alert.rule, alert.source, alert.hostname) == ("example.login.failed", "cloudevents", "web-1")
    assert (alert.priority, alert.output) == (Priority.ERROR, "alice: wrong password")
    assert alert.output_fields == FIELDS


@pytest.mark.usefixtures("transactional_db")
def test_a_batch_is_stored_without_what_is_wrong_in_it(server: Client):
    build.token("sensor", "sa_test")
    batch = [
        event(id="a"),
        event(id=None),
        5,
        event(id="b"),
        [event(id="c")],
        event(id="d", time="0000-01-01T00:00:00Z"),
    ]
    answer = server.post("/ingest/sa_test/", batch, **BATCHED)
    assert (answer.status, answer.json()["accepted"]) == (200, 2)
    assert [(wrong["index"], wrong["field"]) for wrong in answer.json()["rejected"]] == [
        (1, "id"),
        (2, ""),
        (4, ""),
        (5, "time"),
    ]


class TestIdentity:
    @pytest.mark.parametrize("change", [{"data": None}, {"subject": "bob"}, {"type": "other"}, {"later": "added"}])
    def test_source_and_id_and_time_are_it(self, change: dict[str, Any]):
        assert row(event(**change)).uuid == row(event()).uuid

    @pytest.mark.parametrize("change", [{"id": "b"}, {"source": "/other"}, {"time": "2026-11-23T12:00:01Z"}])
    def test_another_event_is_another_alert(self, change: dict[str, Any]):
        assert row(event(**change)).uuid != row(event()).uuid

    def test_source_and_id_are_told_apart(self):
        assert row(event(source="a", id="bc")).uuid != row(event(source="ab", id="c")).uuid

    def test_another_tokens_event_is_another_alert(self):
        (alert,) = alerts(event())
        assert admit(alert, Sender(2, "another", "sensor", "")).uuid != row(event()).uuid


class TestFalcosData:
    """What falcosidekick's CloudEvents output posts: the alert as data, and some of it again as extensions."""

    def sidekicks(self, **changes: Any) -> dict[str, Any]:
        extensions = {"source": "https://falco.org", "type": "falco.rule.output.v1", "subject": None}
        extensions |= {"rule": "Read sensitive file", "priority": "Warning", "hostname": "node-1"}
        return event(**extensions, data=build.posted(**changes))

    @pytest.mark.usefixtures("transactional_db")
    @pytest.mark.parametrize("mode", ["structured", "binary"])
    def test_it_is_the_alert(self, server: Client, mode: str):
        build.token("sensor", "sa_test")
        told = self.sidekicks()
        body, headers = (told, STRUCTURED) if mode == "structured" else (told["data"], binary(told))
        assert server.post("/ingest/sa_test/", body, **headers).status == 200
        alert = Alert.objects.get()
        assert (alert.rule, alert.source, alert.hostname) == ("Read sensitive file", "syscall", "node-1")
        assert alert.output_fields == build.posted()["output_fields"]

    def test_its_identity_is_the_events_or_its_own_uuid(self):
        assert row(self.sidekicks(output="said otherwise")).uuid == row(self.sidekicks()).uuid
        uuid = "01a20866-f9fb-7cc2-94d1-67d8cf42ae79"
        time = "2026-11-23T12:34:56.123456789Z"
        assert str(row(self.sidekicks(uuid=uuid, time=time)).uuid) == uuid

    def test_its_time_is_its_own_and_the_events_where_it_has_none(self):
        told = self.sidekicks(time="2026-11-23T13:00:00Z")
        assert row(told).time.hour == 13
        del told["data"]["time"]
        assert row(told).time.hour == 12
        del told["time"]
        assert rejection(told) == ("time", "is missing")

    @pytest.mark.parametrize("data", [{"rule": "r", "priority": "P1"}, {"rule": 5, "priority": "Error"}, {"rule": "r"}])
    def test_what_only_looks_like_it_is_an_event_like_others(self, data: dict[str, Any]):
        assert row(event(data=data)).rule == "example.login.failed"

    def test_what_is_wrong_in_it_is_named(self):
        assert rejection(self.sidekicks(tags="T1003"))[0] == "tags"


class TestData:
    @pytest.mark.parametrize(
        ("changes", "fields", "output"),
        [
            ({"data": "text"}, {"data": "text"}, "alice: text"),
            ({"data": "text", "subject": None}, {"data": "text"}, "text"),
            ({"data": None}, {}, "alice"),
            ({"data": None, "subject": None}, {}, "example.login.failed"),
            ({"data": ["a", 1]}, {"data": ["a", 1]}, "alice"),
            ({"data": 5}, {"data": 5}, "alice"),
            ({"data": {}}, {"data": {}}, "alice"),
            ({"data": {"summary": "s", "text": "t"}}, {"data.summary": "s", "data.text": "t"}, "alice: s"),
        ],
    )
    def test_every_kind_of_data_is_kept(self, changes: dict[str, Any], fields: dict[str, Any], output: str):
        told = row(event(**changes))
        kept = {name: value for name, value in json.loads(told.output_fields).items() if name.startswith("data")}
        assert (kept, told.output) == (fields, output)

    @pytest.mark.parametrize(
        ("raw", "kind", "data"),
        [
            (b'{"message":"m"}', "application/json", {"data.message": "m"}),
            (b'{"message":"m"}', None, {"data.message": "m"}),
            (b'{"message":"m"}', "application/vnd.x+json", {"data.message": "m"}),
            (b"<m/>", "text/xml", {"data": "<m/>"}),
            (b"{broken", "application/json", {"data": "{broken"}),
            (b"\xff", "application/octet-stream", {"data": "\ufffd"}),
        ],
    )
    def test_base64_is_decoded(self, raw: bytes, kind: str | None, data: dict[str, Any]):
        told = row(event(data=None, data_base64=base64.b64encode(raw).decode(), datacontenttype=kind))
        kept = {name: value for name, value in json.loads(told.output_fields).items() if name.startswith("data")}
        assert kept == data

    @pytest.mark.parametrize("given", ["!", 5, ["YQ=="], "YQ"])
    def test_what_is_not_base64_is_rejected(self, given: object):
        assert rejection(event(data=None, data_base64=given)) == ("data_base64", "is not base64")

    def test_endless_nesting_in_base64_is_rejected(self):
        deep = base64.b64encode(b"[" * 100_000).decode()
        assert rejection(event(data=None, data_base64=deep)) == ("data_base64", "is nested too deeply")

    @pytest.mark.parametrize(
        ("changes", "priority"),
        [
            ({"severity": "critical"}, Priority.CRITICAL),
            ({"priority": "debug", "severity": "critical"}, Priority.DEBUG),
            ({"data": {"level": "warn"}}, Priority.WARNING),
            ({"data": {"level": 5}}, Priority.NOTICE),
            ({"data": None}, Priority.NOTICE),
        ],
    )
    def test_the_priority_is_the_severity_that_event_or_data_names(self, changes: dict[str, Any], priority: Priority):
        assert row(event(**changes)).priority == priority


class TestBinary:
    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%e2%82%ac", "€"),
            ("%41%2525", "A%25"),
            ("100%", "100%"),
            ('"with blanks"', "with blanks"),
            (r'"a \"quoted\" \\ %41"', r'a "quoted" \ A'),
            ('"', '"'),
            ("", ""),
            ("é".encode().decode("latin-1"), "é"),
        ],
    )
    def test_headers_are_decoded_once(self, header: str, value: str):
        assert decoded(header) == value

    @pytest.mark.parametrize("header", ["%C0%A0", "%FF", "%ED%A0%80", "\xff"])
    def test_a_header_that_is_not_utf8_is_rejected(self, header: str):
        headers = {"ce-specversion": "1.0", "ce-id": "a", "ce-source": "s", "ce-type": "t", "ce-subject": header}
        (reason,) = values(b"", headers)
        assert isinstance(reason, Rejected)
        assert "percent-encoded UTF-8" in reason.reason

    @pytest.mark.parametrize("missing", ["ce-id", "ce-source", "ce-type", "ce-time"])
    def test_a_header_that_is_missing_is_named(self, missing: str):
        headers = {f"ce-{name}": value for name, value in event(data=None, datacontenttype=None).items()}
        assert told_by(headers)
        del headers[missing]
        (alert,) = values(b"{}", headers)
        with pytest.raises(Rejected) as caught:
            admit(alert, SENDER)
        assert caught.value.field == missing.removeprefix("ce-")

    def test_data_comes_from_the_body_alone(self):
        headers = {f"ce-{name}": str(value) for name, value in event(data="from a header").items()}
        (alert,) = values(b"", headers)
        assert isinstance(alert, Posted)
        assert "data" not in (alert.output_fields or {})

    @pytest.mark.parametrize(("kind", "data"), [("text/plain", "a\ufffd"), ("application/octet-stream", "a\ufffd")])
    def test_a_body_that_is_not_said_to_be_json_is_text(self, kind: str, data: str):
        headers = {f"ce-{name}": str(value) for name, value in event(data=None).items()}
        (alert,) = values(b"a\xff", headers | {"content-type": kind})
        assert isinstance(alert, Posted)
        assert (alert.output_fields or {})["data"] == data

    @pytest.mark.usefixtures("transactional_db")
    def test_a_body_that_is_said_to_be_json_and_is_not_is_400(self, server: Client):
        build.token("sensor", "sa_test")
        for body in (b"nonsense", b"[" * 100_000, b"NaN"):
            assert server.post("/ingest/sa_test/", body, **binary(event())).status == 400


class TestMediaType:
    @pytest.mark.parametrize("kind", ["+json", "-batch+json", "", "+json;charset=UTF-8", "+JSON ; a=b"])
    def test_json_is_read(self, kind: str):
        headers = {"content-type": f"Application/CloudEvents{kind}"}
        assert told_by(headers)
        assert [type(value) for value in values(orjson.dumps([event(), event()]), headers)] == [Told, Told]

    @pytest.mark.parametrize("kind", ["+avro", "-batch+protobuf", "s+json", "+jsonx"])
    def test_other_encodings_are_415(self, kind: str):
        with pytest.raises(Problem) as caught:
            values(b"", {"content-type": f"application/cloudevents{kind}"})
        assert caught.value.status == 415

    @pytest.mark.parametrize("body", [b"", b"nonsense", b"[" * 100_000, b'{"a":NaN}'])
    def test_what_is_not_json_is_400(self, body: bytes):
        with pytest.raises(Problem) as caught:
            values(body, {"content-type": "application/cloudevents+json"})
        assert caught.value.status == 400

    @pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}, {"ce-id": "a"}])
    def test_other_requests_are_not_taken_for_it(self, headers: dict[str, str]):
        assert not told_by(headers)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"source": None}, "source"),
        ({"type": {}}, "type"),
        ({"time": 5}, "time"),
        ({"time": "9999-12-31T23:59:59Z"}, "time"),
    ],
)
def test_what_cannot_be_told_is_rejected_by_name(changes: dict[str, Any], field: str):
    named, reason = rejection(event(**changes))
    assert named == field
    assert reason


def test_an_event_without_a_time_is_rejected_and_told_why():
    field, reason = rejection(event(time=None))
    assert field == "time"
    assert "repeat" in reason


def test_an_alert_of_falco_is_not_taken_for_an_event():
    assert recognises(event())
    assert not recognises(build.posted())


def test_what_an_attacker_can_write_never_costs_the_alert():
    data = {"message": "m" * (1 << 20), "\0": "\ud800", "n": 10**40, **{f"f{n}": "x" for n in range(5_000)}}
    body = json.dumps(event(data=data, subject="s" * (1 << 20), type="t" * 300)).encode()
    (alert,) = values(body, {"content-type": "application/cloudevents+json"})
    told = admit(alert, SENDER)
    fields = json.loads(told.output_fields)
    assert {"output_fields", "rule", "output", "data.message", "ce.subject"} <= set(fields["sensorapp.cut"])
    assert (len(told.rule), fields["data.\ufffd"]) == (255, "\ufffd")
