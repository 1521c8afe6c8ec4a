import json
from typing import Any
from uuid import UUID

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from routing.sinks.base import Verdict
from routing.sinks.elasticsearch import Elasticsearch
from tests.routing.sinks import samples

THREE = [samples.alert(uuid=UUID(int=number)) for number in (1, 2, 3)]


def cluster(httpserver: HTTPServer, said: Any) -> Elasticsearch:
    httpserver.expect_request("/sensorapp-alerts/_bulk").respond_with_json(said)
    return Elasticsearch({"url": httpserver.url_for("/")})


def item(status: int, error: str = "") -> dict[str, Any]:
    return {"create": {"status": status, **({"error": {"type": error}} if error else {})}}


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((201, 201, 201), Verdict.SENT),
        ((201, 409, 409), Verdict.SENT),
        ((201, 429, 201), Verdict.RETRY),
        ((400, 503, 201), Verdict.RETRY),
        ((201, 403, 400), Verdict.CREDENTIALS),
        ((201, 400, 201), Verdict.FAILED),
        ((404, 404, 404), Verdict.CREDENTIALS),
    ],
)
def test_what_a_200_means_is_in_its_items(httpserver: HTTPServer, statuses: tuple[int, ...], verdict: Verdict) -> None:
    said = {"errors": any(status >= 300 for status in statuses), "items": [item(status) for status in statuses]}
    outcome = cluster(httpserver, said).deliver(samples.message("firing", *THREE))
    assert outcome.verdict is verdict
    assert bool(outcome.error) == (verdict is not Verdict.SENT)


def test_how_many_were_refused_and_why_is_said(httpserver: HTTPServer) -> None:
    said = {"errors": True, "items": [item(201), item(400, "document_parsing_exception"), item(201)]}
    outcome = cluster(httpserver, said).deliver(samples.message("firing", *THREE))
    assert outcome.error == "1 of 3 alerts were not stored (400): document_parsing_exception"


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


def test_the_answer_about_a_hundred_refused_documents_is_read_to_its_end(httpserver: HTTPServer) -> None:
    reason = "failed to parse field; preview of its value: " + "x" * 1000

    def cluster(request: Request) -> Response:
        """Says only what is asked for, as `filter_path` has it."""
        error = {"type": "document_parsing_exception", "reason": reason}
        asked = request.args["filter_path"].split(",")
        told = {name: value for name, value in error.items() if f"items.*.error.{name}" in asked}
        return Response(json.dumps({"errors": True, "items": [{"create": {"status": 400, "error": told}}] * 100}))

    httpserver.expect_request("/sensorapp-alerts/_bulk").respond_with_handler(cluster)
    outcome = Elasticsearch({"url": httpserver.url_for("/")}).deliver(samples.message("firing", *THREE))
    assert outcome.verdict is Verdict.FAILED
    assert outcome.error.startswith("100 of 100 alerts")


@pytest.mark.parametrize("error", ["invalid_index_name_exception", "index_closed_exception"])
def test_what_is_wrong_with_the_index_is_the_sinks_trouble(httpserver: HTTPServer, error: str) -> None:
    outcome = cluster(httpserver, {"errors": True, "items": [item(400, error)]}).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS


def test_no_field_takes_the_place_of_another_or_is_without_a_name() -> None:
    fields = {"%": 0, "proc.args": "a", "proc_args": "b", "proc args": "c", "proc.args_2": "d"}
    body = Elasticsearch({"url": "http://x"}).body(samples.message("firing", samples.alert(output_fields=fields)))
    stored = json.loads(body.split(b"\n")[1])["output_fields"]
    assert stored == {"proc_args": "a", "proc_args_2": "b", "proc_args_3": "c", "proc_args_2_2": "d"}


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
