import json
from typing import Any
from uuid import UUID

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.elasticsearch import Elasticsearch
from tests.routing.sinks import samples

THREE = [samples.alert(uuid=UUID(int=number)) for number in (1, 2, 3)]


def cluster(httpserver: HTTPServer, said: Any) -> Elasticsearch:
    httpserver.expect_request("/sensorapp-alerts/_bulk").respond_with_json(said)
    return Elasticsearch({"url": httpserver.url_for("/")})


def item(status: int, reason: str = "") -> dict[str, Any]:
    error = {"error": {"type": "document_parsing_exception", "reason": reason}} if reason else {}
    return {"create": {"status": status, **error}}


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((201, 201, 201), Verdict.SENT),
        ((201, 409, 409), Verdict.SENT),
        ((201, 429, 201), Verdict.RETRY),
        ((400, 503, 201), Verdict.RETRY),
        ((201, 403, 400), Verdict.CREDENTIALS),
        ((201, 400, 201), Verdict.FAILED),
        ((404, 404, 404), Verdict.FAILED),
    ],
)
def test_what_a_200_means_is_in_its_items(httpserver: HTTPServer, statuses: tuple[int, ...], verdict: Verdict) -> None:
    said = {"errors": any(status >= 300 for status in statuses), "items": [item(status) for status in statuses]}
    outcome = cluster(httpserver, said).deliver(samples.message("firing", *THREE))
    assert outcome.verdict is verdict
    assert bool(outcome.error) == (verdict is not Verdict.SENT)


def test_how_many_were_refused_and_why_is_said(httpserver: HTTPServer) -> None:
    said = {"errors": True, "items": [item(201), item(400, "failed to parse field [proc_pid]"), item(201)]}
    outcome = cluster(httpserver, said).deliver(samples.message("firing", *THREE))
    assert outcome.error.startswith("1 of 3 alerts were not stored (400)")
    assert "failed to parse field [proc_pid]" in outcome.error


@pytest.mark.parametrize("said", [{}, [], "no", {"items": 3}, {"items": [{}]}, {"items": [{"create": {}}]}])
def test_an_answer_that_is_no_bulk_answer_is_tried_again(httpserver: HTTPServer, said: Any) -> None:
    assert cluster(httpserver, said).deliver(samples.message()).verdict is Verdict.RETRY


def test_every_alert_is_one_document_under_its_own_id() -> None:
    lines = Elasticsearch({"url": "http://x"}).body(samples.message("firing", *THREE)).split(b"\n")
    assert lines[-1] == b""
    assert [json.loads(line)["create"]["_id"] for line in lines[:-1:2]] == [str(alert.uuid) for alert in THREE]
    assert [json.loads(line)["uuid"] for line in lines[1::2]] == [str(alert.uuid) for alert in THREE]


def test_fields_are_flat_and_of_kinds_that_an_index_takes() -> None:
    fields = {"fd": 1, "fd.name": "x", "proc.pid": 2**70, "k.list": [1, {"a": 2}], "none": None, "flag": True}
    body = Elasticsearch({"url": "http://x"}).body(samples.message("firing", samples.alert(output_fields=fields)))
    assert json.loads(body.split(b"\n")[1])["output_fields"] == {
        "fd": 1,
        "fd_name": "x",
        "proc_pid": str(2**70),
        "k_list": '[1,{"a":2}]',
        "none": None,
        "flag": True,
    }


def test_an_index_cannot_lead_elsewhere(httpserver: HTTPServer) -> None:
    Elasticsearch({"url": httpserver.url_for("/"), "index": "../_all?x"}).deliver(samples.message())
    assert httpserver.log[0][0].environ["RAW_URI"].startswith("/..%2F_all%3Fx/_bulk?")


@pytest.mark.parametrize(
    ("options", "header"),
    [({"api_key": "k"}, "ApiKey k"), ({"username": "u", "password": "p"}, "Basic dTpw"), ({}, None)],
)
def test_it_signs_in_as_it_is_told(httpserver: HTTPServer, options: dict[str, str], header: str | None) -> None:
    httpserver.expect_request("/sensorapp-alerts/_bulk").respond_with_json({"items": []})
    Elasticsearch({"url": httpserver.url_for("/"), **options}).deliver(samples.message())
    assert httpserver.log[0][0].headers.get("Authorization") == header
