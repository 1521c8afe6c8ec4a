import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from routing import matching
from routing.api.sensors import clock_skew_ms
from routing.models import ActionRun, AuditEntry, Ruleset, Sensor, Token
from tests import build

pytestmark = pytest.mark.django_db
HELLO = {
    "hostname": "node-1",
    "boot_id": "boot-1",
    "version": "0.1.0",
    "kernel": "6.18",
    "probes": ["exec", "open"],
    "actions": ["kill_process"],
    "ruleset": 0,
    "stats": {"events": 10, "lost": 0, "rule_errors": {}},
    "time": "2026-11-23T12:00:00Z",
}


def post(client: Client, path: str, data: object, token: str = "sa_test"):
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)


def hello(client: Client, token: str = "sa_test", **changes: object):
    return post(client, "sensors/hello", {**HELLO, **changes}, token)


class TestHello:
    def test_the_first_one_registers_the_sensor_and_binds_its_token(self, client):
        stored = build.token()
        answer = hello(client)
        assert (answer.status_code, answer.json()["sensor"], answer.json()["ruleset"]) == (200, "node-1", 0)
        sensor = Sensor.objects.get()
        assert (sensor.native, sensor.boot_id, sensor.actions) == (True, "boot-1", ["kill_process"])
        assert sensor.stats == HELLO["stats"]
        stored.refresh_from_db()
        assert stored.hostname == "node-1"
        assert AuditEntry.objects.get().verb == "bind"

    def test_later_ones_update_it(self, client):
        build.token()
        hello(client)
        Sensor.objects.update(last_seen_at=build.NOW - timedelta(days=9))
        assert hello(client, actions=[], stats={"lost": 5}).status_code == 200
        sensor = Sensor.objects.get()
        assert (sensor.actions, sensor.stats) == ([], {"lost": 5})
        assert sensor.last_seen_at > build.NOW - timedelta(days=1)
        assert AuditEntry.objects.count() == 1

    def test_a_nodes_labels_are_what_conditions_read(self, client):
        build.token()
        hello(client, labels={"cluster": "prod", "team": "web"})
        alert = build.alert(sensor=Sensor.objects.get())
        assert matching.compile("cluster.name = prod and sensor.label[team] = web")(alert)

    def test_another_host_with_a_bound_token_is_told_409(self, client):
        build.token(hostname="node-1")
        answer = hello(client, hostname="node-2")
        assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
        assert "'node-1'" in answer.json()["detail"]
        assert not Sensor.objects.exists()

    def test_a_token_that_other_hosts_post_with_stays_unbound(self, client):
        build.sensor(hostname="falco-7", token=build.token(hostname=""), native=False)
        assert hello(client).status_code == 200
        assert Token.objects.get().hostname == ""

    def test_a_sensor_known_from_its_posts_becomes_native(self, client):
        known = build.sensor(token=build.token(), native=False, name="node-1", actions=[])
        assert hello(client).status_code == 200
        known.refresh_from_db()
        assert (known.native, Token.objects.get().hostname) == (True, "node-1")

    @pytest.mark.parametrize(
        "changes",
        [{"hostname": ""}, {"hostname": "h" * 256}, {"probes": "exec"}, {"ruleset": -1}, {"stats": []}],
    )
    def test_a_wrong_one_is_422_and_names_the_field(self, client, changes):
        build.token()
        answer = hello(client, **changes)
        assert answer.status_code == 422
        assert next(iter(changes)) in answer.json()["errors"][0]["field"]

    def test_text_that_no_database_keeps_is_cleaned(self, client):
        build.token()
        changes = {"hostname": "node\0-1", "kernel": "\0", "stats": {"a\0": float("1e308") * 10}, "probes": ["\0x"]}
        assert hello(client, **changes).status_code == 200
        assert Sensor.objects.get().hostname == "node-1"

    @pytest.mark.parametrize(("role", "status"), [("admin", 403), ("viewer", 403), ("sensor", 200)])
    def test_only_sensors_say_it(self, client, role, status):
        build.token(role, "sa_other")
        assert hello(client, "sa_other").status_code == status


@pytest.mark.parametrize(
    ("told", "skew"),
    [
        ("2026-11-23T12:00:01.5Z", 1500),
        ("2026-11-23T11:59:59Z", -1000),
        ("", 0),
        ("2026-11-23T12:00:09", 0),
        ("2026-99-99T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", 2**31 - 1),
    ],
)
def test_the_clocks_difference_is_kept_in_milliseconds(told, skew):
    assert clock_skew_ms(told, build.NOW) == skew


class TestRuleset:
    def ask(self, client: Client, have: object = 0):
        return client.get("/api/v1/ruleset", {"have": have}, headers={"Authorization": "Bearer sa_test"})

    def test_the_newest_is_given_until_the_sensor_has_it(self, client):
        build.token()
        assert self.ask(client).status_code == 204
        for number in (1, 2):
            files = [{"name": "rules.yaml", "text": f"# {number}"}]
            Ruleset.objects.create(number=number, files=files, rule_count=0, published_at=build.NOW)
        answer = self.ask(client, 1)
        assert answer.json() == {"number": 2, "files": [{"name": "rules.yaml", "text": "# 2"}]}
        assert self.ask(client, 2).status_code == 204
        assert hello(client).json()["ruleset"] == 2

    def test_a_number_that_is_none_is_422(self, client):
        build.token()
        assert self.ask(client, "many").status_code == 422


class TestResult:
    def leased(self, **fields: object) -> ActionRun:
        """A run that was handed to node-1 under a lease."""
        sensor = build.sensor()
        now = timezone.now()
        values = {
            "digest": "d" * 64,
            "action": build.action(),
            "alert": build.alert(sensor=sensor),
            "sensor": sensor,
            "mode": "approve",
            "kind": "kill_process",
            "target": {"pid": 4242},
            "description": "Kill pid 4242",
            "state": "running",
            "requested_at": now,
            "expires_at": now + timedelta(minutes=5),
            "lease": uuid.uuid4(),
            "lease_until": now + timedelta(minutes=1),
            **fields,
        }
        return ActionRun.objects.create(**values)

    def tell(self, client: Client, run: ActionRun, token: str = "sa_test", **changes: object):
        data = {"lease": str(run.lease), "state": "succeeded", "reason": "signal sent", "detail": {"a": 1}, **changes}
        return post(client, f"actions/{run.uuid}/result", data, token)

    def test_it_settles_the_run_and_may_be_repeated(self, client):
        run = self.leased()
        for _ in range(2):
            answer = self.tell(client, run)
            assert (answer.status_code, answer.json()) == (200, {"state": "succeeded"})
        run.refresh_from_db()
        assert (run.state, run.reason, run.detail) == ("succeeded", "signal sent", {"a": 1})

    def test_another_lease_or_another_sensor_is_409(self, client):
        run = self.leased()
        build.token("sensor", "sa_other", hostname="node-2")
        assert self.tell(client, run, lease=str(uuid.uuid4())).status_code == 409
        assert self.tell(client, run, lease="nonsense").status_code == 409
        assert self.tell(client, run, "sa_other").status_code == 409
        run.refresh_from_db()
        assert run.state == "running"

    def test_a_state_that_is_no_end_is_422(self, client):
        assert self.tell(client, self.leased(), state="running").status_code == 422


def test_the_description_tells_every_path_and_needs_no_network(client):
    schema = client.get("/api/v1/openapi.json").json()
    assert {
        "/api/v1/alerts",
        "/api/v1/actions/lease",
        "/api/v1/actions/{run_id}/result",
        "/api/v1/ruleset",
        "/api/v1/sensors/hello",
        "/ingest/",
        "/ingest/{token}/",
    } <= schema["paths"].keys()
    assert schema["paths"]["/api/v1/alerts"].keys() == {"get", "post"}
    page = client.get("/api/v1/docs").content.decode()
    assert "swagger-ui-bundle" in page
    assert "cdn" not in page
