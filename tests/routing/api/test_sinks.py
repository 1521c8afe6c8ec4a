import pytest
from django.test import Client
from pytest_httpserver import HTTPServer

from routing import sinks
from routing.models import AuditEntry, Role
from tests import build
from tests.routing.api.asking import Caller

pytestmark = pytest.mark.django_db


def asked(client, **headers: str):
    return client.get("/api/v1/sinks/kinds", headers=headers)


def test_every_kind_of_sink_is_listed_with_its_options(client):
    build.token(role=Role.VIEWER)
    answer = asked(client, Authorization="Bearer sa_test")
    assert answer.status_code == 200
    listed = {one["kind"]: one for one in answer.json()}
    assert set(listed) == set(sinks.kinds())
    assert listed["pagerduty"]["paging"]
    assert not listed["loki"]["sends_resolved"]
    assert listed["webhook"]["options"]["properties"]["signing_secret"]["writeOnly"]
    assert listed["kafka"]["missing"] == ""


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.SENSOR, 403)])
def test_strangers_and_sensors_do_not_read_it(client, role, status):
    if role:
        build.token(role=role)
    assert asked(client, **({"Authorization": "Bearer sa_test"} if role else {})).status_code == status


def test_a_sink_is_made_and_tried_and_its_secrets_are_never_shown(client: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/TOPSECRET/hook").respond_with_data("thanks, /TOPSECRET/hook", status=200)
    editor = Caller(client, "editor")
    url = httpserver.url_for("/TOPSECRET/hook")
    sink = editor.json("POST", "/sinks", {"name": "hook", "kind": "webhook", "secrets": {"url": url}})
    assert sink["secrets"] == {"url": {"stored": True}}
    attempt = editor.json("POST", f"/sinks/{sink['id']}/test")
    assert (attempt["outcome"], attempt["status"], attempt["number"]) == ("sent", 200, 1)
    assert "alerts.test" in attempt["request"]
    shown = f"{editor.get('/sinks')}{attempt}{list(AuditEntry.objects.values())}"
    assert "TOPSECRET" not in shown
    assert "***" in attempt["response"]
    assert AuditEntry.objects.get(verb="test").actor == "token editor token"


def test_a_secret_that_is_refused_is_not_said_again(client: Client) -> None:
    editor = Caller(client, "editor")
    sink = {"name": "hook", "kind": "webhook"}
    for secrets, field in (
        ({"url": ["TOPSECRET"]}, "secrets.url"),
        ({"url": {"env": "TOP SECRET"}}, "secrets.url"),
        ({"url": "TOP\0SECRET"}, "secrets.url"),
        ({"nope": "TOPSECRET"}, "secrets.nope"),
    ):
        status, problem = editor.refusal("POST", "/sinks", {**sink, "secrets": secrets})
        assert (status, field in problem["errors"][0]["field"]) == (422, True), problem
        assert "SECRET" not in str(problem)


def test_a_secret_that_is_kept_elsewhere_is_said_to_be_there(client: Client) -> None:
    editor = Caller(client, "editor")
    kept = {"url": {"env": "SINK_HOOK"}}
    sink = editor.json("POST", "/sinks", {"name": "hook", "kind": "webhook", "secrets": kept})
    assert sink["secrets"] == kept
    assert editor.json("PUT", f"/sinks/{sink['id']}", {"name": "new", "kind": "webhook"})["secrets"] == kept


def test_a_sink_to_which_a_route_leads_is_not_deleted(client: Client) -> None:
    sink = build.sink()
    build.route().sinks.add(sink)
    status, problem = Caller(client, "editor").refusal("DELETE", f"/sinks/{sink.pk}")
    assert (status, "the route everything" in problem["detail"]) == (422, True)


def test_a_test_that_fails_says_why(client: Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("no", status=503)
    sink = build.sink(secrets={"url": httpserver.url_for("/hook")})
    attempt = Caller(client, "editor").json("POST", f"/sinks/{sink.pk}/test")
    assert (attempt["outcome"], attempt["status"], attempt["response"]) == ("failed", 503, "no")
    assert "trouble (503)" in attempt["error"]


def test_a_test_takes_an_editor_and_a_sink(client: Client) -> None:
    sink = build.sink()
    assert Caller(client, "responder").refusal("POST", f"/sinks/{sink.pk}/test")[0] == 403
    assert Caller(client, "editor").refusal("POST", "/sinks/999999/test")[0] == 404
