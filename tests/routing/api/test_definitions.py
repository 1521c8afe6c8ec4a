from typing import Any

import pytest
from django.test import Client

from routing.models import AuditEntry, Lookup, TimeInterval
from tests.routing.api.asking import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("that_day")]

MADE: dict[str, dict[str, Any]] = {
    "lookups": {"name": "teams", "text": "k8s.ns.name,team\nshop,payments\n", "comment": "who owns what"},
    "inhibitions": {
        "name": "node down",
        "source": 'alert.rule = "Node down"',
        "target": "alert.priority <= error",
        "equal": ["alert.hostname"],
        "enabled": True,
    },
    "windows": {
        "name": "patch day",
        "condition": "alert.hostname = node-1",
        "starts_at": "2026-11-23T12:00:00Z",
        "ends_at": "2026-11-23T14:00:00Z",
        "interval": None,
        "comment": "",
        "enabled": True,
    },
    "sinks": {
        "name": "output",
        "kind": "stdout",
        "enabled": True,
        "most_per_minute": 10,
        "title_template": "",
        "body_template": "",
        "options": {"prefix": ""},
        "secrets": {},
    },
    "intervals": {"name": "nights", "spec": [{"times": [{"start_time": "22:00", "end_time": "24:00"}]}], "comment": ""},
}


@pytest.fixture
def editor(client: Client) -> Caller:
    return Caller(client, "editor")


@pytest.mark.parametrize("path", MADE)
def test_what_is_made_can_be_read_listed_changed_replaced_and_deleted(editor: Caller, path: str) -> None:
    made = editor.json("POST", f"/{path}", MADE[path])
    assert {name: value for name, value in made.items() if name != "id"} == MADE[path]
    one = f"/{path}/{made['id']}"
    assert editor.get(one) == made
    assert editor.get(f"/{path}")["items"] == [{k: v for k, v in made.items() if k != "text"}]
    assert editor.json("PATCH", one, {"name": "renamed"}) == {**made, "name": "renamed"}
    assert editor.json("PUT", one, MADE[path]) == made
    assert editor.ask("DELETE", one).status_code == 204
    assert editor.refusal("GET", one)[0] == 404
    assert list(AuditEntry.objects.order_by("pk").values_list("actor", "verb")) == [
        ("token editor token", verb) for verb in ("create", "edit", "edit", "delete")
    ]


@pytest.mark.parametrize("path", MADE)
def test_who_may_not_edit_only_reads(client: Client, editor: Caller, path: str) -> None:
    one = f"/{path}/{editor.json('POST', f'/{path}', MADE[path])['id']}"
    responder, sensor = Caller(client, "responder"), Caller(client, "sensor")
    assert responder.get(one)["name"] == MADE[path]["name"]
    for method, where in (("POST", f"/{path}"), ("PUT", one), ("PATCH", one), ("DELETE", one)):
        assert responder.refusal(method, where, MADE[path])[0] == 403
    assert sensor.refusal("GET", one)[0] == 403


@pytest.mark.parametrize("path", MADE)
def test_what_is_misspelt_or_not_there_is_refused(editor: Caller, path: str) -> None:
    status, problem = editor.refusal("POST", f"/{path}", {**MADE[path], "nmae": "x"})
    assert (status, problem["errors"][0]["field"]) == (422, "body.said.nmae")
    assert editor.refusal("PATCH", f"/{path}/1", {"name": "x"})[0] == 404
    one = f"/{path}/{editor.json('POST', f'/{path}', MADE[path])['id']}"
    status, problem = editor.refusal("PATCH", one, {"nmae": "x"})
    assert (status, problem["errors"]) == (422, [{"field": "nmae", "reason": "There is no such member."}])
    assert "called" in editor.refusal("POST", f"/{path}", MADE[path])[1]["detail"]
    assert editor.refusal("PATCH", one, {"name": "a\0b"})[0] == 422
    assert editor.refusal("PATCH", one, {"name": None})[0] == 422


def test_a_condition_that_cannot_be_read_is_refused_with_its_place(editor: Caller) -> None:
    status, problem = editor.refusal("POST", "/windows", {**MADE["windows"], "condition": "alert.rul = x"})
    assert status == 422
    assert problem["detail"].startswith("Line 1, column 1: ")
    (wrong,) = problem["errors"]
    assert {k: wrong[k] for k in ("field", "line", "column", "hint")} == {
        "field": "condition",
        "line": 1,
        "column": 1,
        "hint": "did you mean alert.rule?",
    }
    assert wrong["snippet"].splitlines()[1].startswith("^^^")


def test_a_list_is_read_in_pages_without_the_text_of_tables(editor: Caller) -> None:
    for number in range(5):
        editor.json("POST", "/lookups", {**MADE["lookups"], "name": f"t{number}"})
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = editor.get("/lookups", limit=2, after=after)
        assert all("text" not in item for item in page["items"])
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
    assert seen == ["t0", "t1", "t2", "t3", "t4"]


def test_what_is_used_is_not_deleted(editor: Caller) -> None:
    interval = editor.json("POST", "/intervals", MADE["intervals"])
    editor.json("POST", "/windows", {**MADE["windows"], "interval": "nights"})
    status, problem = editor.refusal("DELETE", f"/intervals/{interval['id']}")
    assert (status, problem["detail"]) == (
        422,
        "'nights' is still used by the maintenance window patch day; change that first.",
    )
    assert TimeInterval.objects.exists()


def test_a_table_that_cannot_be_read_is_refused_line_by_line(editor: Caller) -> None:
    status, problem = editor.refusal("POST", "/lookups", {"name": "teams", "text": "k8s.ns.nam,team\na\n"})
    assert status == 422
    assert "did you mean k8s.ns.name" in problem["detail"]
    assert "Line 2: 1 cells" in problem["detail"]
    assert not Lookup.objects.exists()


def test_a_sinks_address_is_not_changed_without_the_secret_that_would_go_there(editor: Caller) -> None:
    said = {"name": "a", "kind": "telegram", "options": {"chat_id": "1"}, "secrets": {"token": "TOPSECRET"}}
    one = f"/sinks/{editor.json('POST', '/sinks', said)['id']}"
    options = {"chat_id": "1", "api_url": "https://evil.example"}
    status, problem = editor.refusal("PATCH", one, {"options": options})
    assert status == 422
    assert "api_url leads elsewhere now" in str(problem)
    assert "TOPSECRET" not in str(problem)
    assert editor.get(one)["options"]["api_url"] == "https://api.telegram.org"
    assert editor.json("PATCH", one, {"options": options, "secrets": {"token": "x"}})["options"] == {
        **options,
        "thread_id": 0,
        "silent": False,
        "repeat_unknown": True,
    }
