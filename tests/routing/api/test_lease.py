import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from routing import doorbell
from routing.models import ActionRun, Sensor
from tests import build
from tests.asgi import Answer, Client

PATH = "/api/v1/actions/lease"
TARGET = {
    "pid": 4242,
    "start_time": 1_700_000_000_000_000_000,
    "start_ticks": None,
    "name": "xmrig",
    "exepath": "/tmp/xmrig",
    "boot_id": None,
    "cmdline": "xmrig",
}
WANTED = {"hostname": "node-1", "kinds": ["kill_process"], "wait": 0}


@pytest.fixture
def sensor(transactional_db: None) -> Sensor:
    return build.sensor()


def approved(sensor: Sensor, **fields: object) -> ActionRun:
    """A run that waits for node-1."""
    now = timezone.now()
    values = {
        "digest": uuid.uuid4().hex,
        "action": build.action(name=str(uuid.uuid4())),
        "alert": build.alert(sensor=sensor),
        "sensor": sensor,
        "mode": "approve",
        "kind": "kill_process",
        "params": {"signal": 9},
        "target": TARGET,
        "description": "Kill pid 4242 (xmrig)",
        "state": "approved",
        "requested_at": now,
        "expires_at": now + timedelta(minutes=5),
        **fields,
    }
    return ActionRun.objects.create(**values)


def ask(server: Client, token: str = "sa_test", **changes: object) -> Answer:
    return server.post(PATH, {**WANTED, **changes}, token)


def test_a_host_name_that_no_database_keeps_is_nobodys(server: Client, sensor: Sensor):
    assert ask(server, hostname="node\0").status == 409


def test_an_approved_run_is_handed_out_once(server: Client, sensor: Sensor):
    run = approved(sensor)
    (given,) = ask(server).json()["runs"]
    run.refresh_from_db()
    assert given == {
        "id": str(run.uuid),
        "kind": "kill_process",
        "params": {"signal": 9},
        "target": TARGET,
        "mode": "approve",
        "expires_at": run.expires_at.isoformat(),
        "lease": str(run.lease),
    }
    assert run.state == "running"
    assert ask(server).json() == {"runs": []}


def test_a_run_approved_during_the_wait_is_handed_out_at_its_ring(server: Client, sensor: Sensor):
    with server.stream("POST", PATH, b'{"hostname":"node-1","kinds":["kill_process"],"wait":20}', BEARER) as stream:
        run = approved(sensor)
        doorbell.ring("runs")
        assert str(run.uuid).encode() in (stream.read(10) or b"")


BEARER = {"authorization": "Bearer sa_test"}


def test_without_a_ring_it_looks_again_by_itself(server: Client, sensor: Sensor, monkeypatch):
    monkeypatch.setattr("routing.api.lease.LOOK_SECONDS", 0.1)
    with server.stream("POST", PATH, b'{"hostname":"node-1","kinds":["kill_process"],"wait":20}', BEARER) as stream:
        run = approved(sensor)
        assert str(run.uuid).encode() in (stream.read(10) or b"")


def test_the_wait_ends_with_nothing(server: Client, sensor: Sensor):
    assert ask(server, wait=0.05).json() == {"runs": []}


def test_a_sensor_that_leaves_is_handed_nothing(server: Client, sensor: Sensor):
    with server.stream("POST", PATH, b'{"hostname":"node-1","kinds":["kill_process"],"wait":20}', BEARER):
        pass
    run = approved(sensor)
    doorbell.ring("runs")
    assert ask(server).json()["runs"][0]["id"] == str(run.uuid)


def test_what_is_not_for_this_sensor_or_its_kinds_stays(server: Client, sensor: Sensor):
    other = build.sensor(hostname="node-2", token=build.token("sensor", "sa_other", hostname="node-2"))
    approved(other)
    assert ask(server).json() == {"runs": []}
    assert ask(server, "sa_other", hostname="node-2", kinds=[]).json() == {"runs": []}
    assert len(ask(server, "sa_other", hostname="node-2").json()["runs"]) == 1


def test_a_token_speaks_only_for_its_node_and_only_after_hello(server: Client, sensor: Sensor):
    assert ask(server, hostname="node-2").status == 409
    Sensor.objects.update(native=False)
    assert ask(server).status == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"nonsense", 400), (b"{}", 422), (b'{"hostname":1,"kinds":[]}', 422), (b"x" * 70_000, 413)],
)
def test_bad_input_is_told(server: Client, sensor: Sensor, body: bytes, status: int):
    assert server.post(PATH, body, "sa_test").status == status


@pytest.mark.parametrize(("token", "status"), [("", 401), ("sa_wrong", 401), ("sa_admin", 403)])
def test_only_sensors_lease(server: Client, sensor: Sensor, token: str, status: int):
    build.token("admin", "sa_admin")
    assert ask(server, token).status == status
