"""What the API does is what its description says, for whatever Schemathesis makes of the description."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.adapters import HTTPAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from urllib3 import HTTPResponse

from routing.api.urls import api
from tests import build
from tests.asgi import Client

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
UNHURRIED = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


class ToApplication(HTTPAdapter):
    """Requests to the application in this process."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        answer = self._client.request(str(request.method), str(request.path_url), body, request.headers)
        raw = HTTPResponse(io.BytesIO(answer.body), answer.headers, answer.status, preload_content=False)
        return self.build_response(request, raw)


@pytest.fixture
def session(server: Client) -> requests.Session:
    session = requests.Session()
    session.mount("http://", ToApplication(server))
    return session


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    return str(value).encode("utf-8", "replace")


schema = schemathesis.openapi.from_dict(api.get_openapi_schema())


@schema.parametrize()
@UNHURRIED
def test_every_operation_answers_as_it_is_described(case: schemathesis.Case, session: requests.Session):
    role = "sensor" if "sensors" in case.operation.tags else "admin"
    build.token(role, f"sa_{role}")
    if isinstance(case.body, dict) and "wait" in case.body:
        case.body["wait"] = 0  # A long poll would take its time, and is tested elsewhere.
    if "token" in case.path_parameters:
        case.path_parameters["token"] = f"sa_{role}"
    if not {"ce-id", "ce-source", "ce-type", "ce-time"} <= case.headers.keys():
        case.headers.pop("ce-specversion", None)  # Half an event is refused whatever its body is.
    headers = {"authorization": f"Bearer sa_{role}"}
    case.call_and_validate(base_url="http://127.0.0.1", session=session, headers=headers, checks=CHECKS)


@pytest.mark.parametrize(
    ("method", "path"), [(method, path) for path, methods in schema.raw_schema["paths"].items() for method in methods]
)
def test_no_operation_answers_a_stranger(server: Client, method: str, path: str):
    for headers in ({}, {"authorization": "Bearer sa_wrong"}, {"x-sensorapp-token": "sa_wrong"}):
        filled = path.replace("{token}", "sa_wrong").replace("{run_id}", "01a20866-f9fb-7cc2-94d1-67d8cf42ae79")
        assert server.request(method.upper(), filled, b"{}", headers).status == 401


def test_every_status_of_a_post_is_in_the_table_of_the_docs():
    page = (Path(__file__).resolve().parents[3] / "docs/api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| (\d{3}) \|", page, re.MULTILINE))
    paths = schema.raw_schema["paths"]
    for path in ("/api/v1/alerts", "/ingest/{token}/", "/ingest/", "/api/v1/actions/lease"):
        assert paths[path]["post"]["responses"].keys() <= documented
