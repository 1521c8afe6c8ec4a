"""What is kept of a request in a kind's file."""

import pytest
from werkzeug import Request
from werkzeug.test import EnvironBuilder

from routing import sinks
from routing.sinks.base import Outcome, Verdict
from tests.contract import golden


@pytest.mark.parametrize(
    ("kind", "body", "kept"),
    [
        ("application/json", '{"a": 1}', {"a": 1}),
        ("application/cloudevents+json", "[]", []),
        ("application/x-ndjson", '{"a": 1}\n{}\n', [{"a": 1}, {}]),
        ("application/x-www-form-urlencoded", "text=a+%26+b&empty=", {"text": "a & b", "empty": ""}),
        ("text/plain; charset=utf-8", '"é" on node-7', '"é" on node-7'),
        ("text/plain", "[1]", "[1]"),
    ],
)
def test_a_body_is_read_as_what_it_says_it_is(kind: str, body: str, kept: object) -> None:
    request = Request(EnvironBuilder(method="POST", content_type=kind, data=body.encode()).get_environ())
    assert golden.documents(request) == kept


def test_a_kind_that_sends_nothing_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    slack = sinks.kinds()["slack"]
    monkeypatch.setattr(slack, "send", lambda self, message: Outcome(Verdict.FAILED, "no channel"))
    with pytest.raises(SystemExit, match="slack sent nothing: no channel"):
        golden.sent("slack", "test")
