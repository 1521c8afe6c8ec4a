from typing import Any
from urllib.parse import unquote

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request

from routing.sinks.base import Message
from routing.sinks.cloudevents import CloudEvents, encoded
from tests.routing.sinks import samples


def request(httpserver: HTTPServer, message: Message, **options: Any) -> Request:
    httpserver.expect_request("/events").respond_with_data("", 202)
    CloudEvents({"url": httpserver.url_for("/events"), **options}).deliver(message)
    return httpserver.log[0][0]


def test_binary_has_its_attributes_in_headers_and_the_data_as_body(httpserver: HTTPServer) -> None:
    got = request(httpserver, samples.message(), mode="binary")
    assert got.mimetype == "application/json"
    assert {name: got.headers[f"ce-{name}"] for name in ("specversion", "id", "source", "type", "time", "subject")} == {
        "specversion": "1.0",
        "id": str(samples.DELIVERY),
        "source": "urn:sensorapp",
        "type": "sensorapp.alerts.firing",
        "time": "2026-11-23T12:00:00+00:00",
        "subject": "Read%20sensitive%20file",
    }
    golden = samples.golden("cloudevents", "firing")
    assert got.get_json() == golden["data"]


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_the_largest_event_is_one_that_everybody_must_forward(httpserver: HTTPServer, mode: str) -> None:
    got = request(httpserver, samples.enormous(), mode=mode)
    assert len(got.get_data()) + sum(len(name) + len(value) + 4 for name, value in got.headers) <= 64 * 1024


@pytest.mark.parametrize("title", ["Euro € 😀", 'a "b" 100%', "x\r\nBcc: y", "\ud800", "\x7f~!"])
def test_a_value_in_a_header_is_printable_ascii(title: str) -> None:
    found = encoded(title)
    assert all("!" <= character <= "~" and character != '"' for character in found)
    assert unquote(found) == title.encode("utf-8", "replace").decode()


def test_a_title_of_blanks_leaves_no_empty_attribute() -> None:
    sender = CloudEvents({"url": "http://x", "source": ""})
    assert all(sender.attributes(samples.message("firing", samples.alert(rule=" "))).values())


def test_a_token_is_sent(httpserver: HTTPServer) -> None:
    assert request(httpserver, samples.message(), token="t").headers["Authorization"] == "Bearer t"
