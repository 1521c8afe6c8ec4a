"""Leasing, acting once, and telling how it ended."""

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sensor.actions.base import NodeAction, Outcome, Run, Skipped, State
from sensor.actions.guard import Guard, Refused
from sensor.actions.ledger import Ledger
from sensor.actions.runner import ActionRunner
from sensor.config import Secret, Server
from sensor.spool import prepare
from sensor.transport import Client


class Note(NodeAction):
    """Does what the target says, and counts."""

    kind = "note"

    def __init__(self) -> None:
        super().__init__(Guard())
        self.done: list[str] = []

    def run(self, run: Run) -> Outcome:
        self.done.append(run.id)
        match run.target.get("raise"):
            case "skipped":
                raise Skipped("gone")
            case "refused":
                raise Refused("protected")
            case "bug":
                raise KeyError("pid")
        return Outcome(State.SUCCEEDED, "noted", {"times": len(self.done)})


class Office:
    """A server that hands out what the test gives it and collects results."""

    def __init__(self, httpserver: HTTPServer, path: Path) -> None:
        self.runs: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.results: list[tuple[str, dict[str, Any]]] = []
        self.result_status = 200
        self.greetings: list[bool] = []
        self.action = Note()
        self.path = path
        self.url = httpserver.url_for("/")
        httpserver.expect_request("/api/v1/actions/lease").respond_with_handler(self._lease)
        httpserver.expect_request("/api/v1/actions/run-1/result").respond_with_handler(self._result)
        prepare(path)
        self.runner = self.started()

    def started(self) -> ActionRunner:
        """A sensor's runner; called again it is the sensor after a restart."""
        client = Client(Server(url=self.url, token=Secret("sa_test")))
        return ActionRunner(
            client, Ledger(self.path), {"note": self.action}, "node-1", Event(), lambda: self.greetings.append(True)
        )

    def _lease(self, request: Request) -> Response:
        self.asked.append(json.loads(request.data))
        runs, self.runs = self.runs, []
        return Response(json.dumps({"runs": runs}), content_type="application/json")

    def _result(self, request: Request) -> Response:
        if self.result_status == 200:
            self.results.append((request.path.split("/")[-2], json.loads(request.data)))
        return Response(status=self.result_status)

    def hand_out(self, **changes: Any) -> None:
        run = {
            "id": "run-1",
            "kind": "note",
            "params": {},
            "target": {},
            "mode": "automatic",
            "expires_at": "2026-11-23T12:00:00Z",
            "lease": "lease-1",
        }
        self.runs.append({**run, **changes})


@pytest.fixture
def office(httpserver: HTTPServer, tmp_path: Path) -> Office:
    return Office(httpserver, tmp_path / "spool.db")


def test_a_leased_action_is_done_and_told_with_its_lease(office: Office) -> None:
    office.hand_out()
    office.runner.once(wait=0)
    assert office.asked == [{"hostname": "node-1", "kinds": ["note"], "wait": 0}]
    told = {"lease": "lease-1", "state": "succeeded", "reason": "noted", "detail": {"times": 1}}
    assert office.results == [("run-1", told)]


def test_the_same_id_leased_again_is_answered_and_not_done_again(office: Office) -> None:
    office.hand_out()
    office.runner.once(wait=0)
    office.hand_out(lease="lease-2")
    office.started().once(wait=0)
    assert office.action.done == ["run-1"]
    assert [result["lease"] for _, result in office.results] == ["lease-1", "lease-2"]
    assert office.results[1][1]["detail"] == {"times": 1}


def test_an_outcome_the_server_could_not_take_is_told_after_a_restart(office: Office) -> None:
    office.result_status = 503
    office.hand_out()
    assert office.runner.once(wait=0) > 0
    office.result_status = 200
    office.started().once(wait=0)
    assert office.results[0][1]["state"] == "succeeded"
    assert office.action.done == ["run-1"]


def test_a_lease_that_is_not_ours_any_more_is_not_told_for_ever(office: Office) -> None:
    office.result_status = 409
    office.hand_out()
    assert office.runner.once(wait=0) == 0.0
    office.result_status = 200
    office.runner.once(wait=0)
    assert office.results == []


@pytest.mark.parametrize(
    ("raised", "state", "reason"),
    [("skipped", "skipped", "gone"), ("refused", "refused", "protected"), ("bug", "unknown", "KeyError")],
)
def test_every_end_has_its_own_word(office: Office, raised: str, state: str, reason: str) -> None:
    office.hand_out(target={"raise": raised})
    office.runner.once(wait=0)
    [(_, result)] = office.results
    assert result["state"] == state
    assert reason in result["reason"]


def test_a_kind_that_this_node_does_not_allow_is_refused(office: Office) -> None:
    office.hand_out(kind="kill_process")
    office.runner.once(wait=0)
    assert office.results[0][1]["state"] == "refused"
    assert office.action.done == []


def test_a_lease_that_cannot_be_understood_does_not_stop_the_next(office: Office) -> None:
    office.hand_out(id="run-0", expires_at="2026-11-23T12:00:00")
    office.hand_out()
    office.runner.once(wait=0)
    assert office.action.done == ["run-1"]


def test_a_refused_lease_is_asked_for_again_later(office: Office, httpserver: HTTPServer) -> None:
    httpserver.clear_all_handlers()
    httpserver.expect_request("/api/v1/actions/lease").respond_with_data(status=429, headers={"Retry-After": "9"})
    assert office.runner.once(wait=0) == 9.0


def test_a_server_that_does_not_know_us_is_greeted(office: Office, httpserver: HTTPServer) -> None:
    httpserver.clear_all_handlers()
    httpserver.expect_request("/api/v1/actions/lease").respond_with_data(status=409)
    assert 0 < office.runner.once(wait=0) <= 1.0
    assert office.greetings == [True]
