import re

import pytest
from pytest_httpserver import HTTPServer

from routing import deliveries, templating
from routing.models import Delivery
from routing.sandbox import render
from routing.sinks.base import Templated
from routing.templating import worded
from tests import build
from tests.build import NOW, owed
from tests.routing.sinks import samples

TEXT, HTML, JSON = Templated(30, 30), Templated(30, 60, "html"), Templated(0, 60, "json")


def told(httpserver: HTTPServer, template: str) -> Delivery:
    """A delivery about an alert that a sink with this template of a body was sent."""
    httpserver.expect_request(re.compile(".*")).respond_with_data("")
    sink = build.sink("webhook", secrets={"url": httpserver.url_for("/hook")}, body_template=template)
    group = build.group(build.route())
    delivery = owed(sink, group=group, route=group.route, alert_ids=[str(build.alert().pk)])
    deliveries.send_next(sink.pk, 1, NOW)
    delivery.refresh_from_db()
    return delivery


@pytest.mark.django_db
def test_a_sink_words_its_messages_itself(httpserver: HTTPServer) -> None:
    told(httpserver, '{"what": {{ alert.rule|tojson }}, "on": {{ alert.hostname|tojson }}}')
    assert httpserver.log[0][0].get_json() == {"what": "Read sensitive file", "on": "node-1"}


@pytest.mark.django_db
def test_where_the_words_fail_the_usual_ones_are_sent_and_the_attempt_says_so(httpserver: HTTPServer) -> None:
    delivery = told(httpserver, '{"pid": {{ alert.fields["proc.pid"] / 0 }}}')
    assert httpserver.log[0][0].get_json()["type"] == "alerts.firing"
    said = "The body template failed (line 1: division by zero), so the usual body was sent"
    assert (delivery.state, delivery.error, delivery.attempts.get().error) == ("sent", said, said)


def test_templates_see_the_message_as_plain_data() -> None:
    message = samples.message("firing")
    context = templating.context_of(message)
    assert context["alert"]["rule"] == message.newest.rule
    assert context["alert"]["fields"] == dict(message.newest.output_fields)
    assert context["document"]["type"] == "alerts.firing"
    assert render("{{ event }} {{ priority }} {{ url }}", context) == (
        f"firing {message.group.priority.label} {message.group.url}"
    )


def test_a_message_takes_the_words_of_its_templates() -> None:
    message = samples.message("firing")
    found, wrong = worded(message, TEXT, "T {{ event }}", "B {{ alert.rule }}")
    assert (found.title, found.body, wrong) == ("T firing", f"B {message.newest.rule}", "")
    assert worded(message, TEXT, "", "") == (message, "")


@pytest.mark.parametrize(
    ("takes", "source", "said"),
    [
        (JSON, '{"a": ', "it makes no JSON"),
        (JSON, '{"a": "' + "b" * 60 + '"}', "more than the 60 bytes"),
        (HTML, "ä" * 31, "more than the 60 bytes"),
        (TEXT, "{{ 1 / 0 }}", "line 1: division by zero"),
        (TEXT, "{{ 'a longer text'|truncate(-5) }}", "expected length"),
        (JSON, "\"{{ '\\ud800' }}\"", "surrogates not allowed"),
    ],
)
def test_where_a_template_fails_the_usual_words_stand_and_it_is_said(takes: Templated, source: str, said: str) -> None:
    found, wrong = worded(samples.message("firing"), takes, "", source)
    assert found.body == ""
    assert wrong.startswith("The body template failed (")
    assert said in wrong
    assert wrong.endswith("so the usual body was sent")


def test_whatever_goes_wrong_with_the_words_costs_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("TOPSECRET")

    monkeypatch.setattr(templating, "one", fail)
    found, wrong = worded(samples.message("firing"), TEXT, "T", "B")
    assert (found.title, found.body) == ("", "")
    assert "The title template failed (RuntimeError)" in wrong
    assert "TOPSECRET" not in wrong
