"""Each part lives through the loss of another, and goes on by itself when that one is back."""

import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest
import requests

from sensor.alert import new_uuid, rfc3339
from tests.chaos import stack as stacks
from tests.chaos.stack import Stack
from tests.e2e.waiting import eventually

BACK = 90.0
"""Seconds until all goes on: Celery asks for a broker that is away every two seconds, then less and less often."""
pytestmark = [pytest.mark.product, pytest.mark.timeout(600)]


class Site:
    """The running parts, one worker among them, and a sensor's token."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.session = requests.Session()
        self.session.trust_env = False
        self.token = stack.manage("token", "create", "--role", "sensor", "a sensor").strip()
        eventually(lambda: self.status("/healthz") == 200, BACK, "a web process that answers")

    def status(self, path: str) -> int | None:
        try:
            return self.session.get(f"http://127.0.0.1:{self.stack.port}{path}", timeout=10).status_code
        except requests.RequestException:
            return None

    def post(self) -> requests.Response:
        """One new alert."""
        now = time.time_ns()
        alert = {"uuid": str(new_uuid(now)), "time": rfc3339(now), "rule": "r", "priority": "Notice", "output": "o"}
        url, headers = f"http://127.0.0.1:{self.stack.port}/api/v1/alerts", {"Authorization": f"Bearer {self.token}"}
        return self.session.post(url, json=alert, headers=headers, timeout=20)

    def count(self, what: str) -> int:
        with psycopg.connect(self.stack.env["DATABASE_URL"]) as connection:
            row = connection.execute(what).fetchone()
        assert row is not None
        found: int = row[0]
        return found

    def goes_on(self) -> None:
        """A new alert is taken and routed."""
        answer = eventually(self._taken, BACK, "an alert that is taken")
        assert answer.json()["accepted"] == 1
        eventually(lambda: self.count("SELECT count(*) FROM routing_unrouted") == 0, BACK, "an alert that is routed")

    def _taken(self) -> requests.Response | None:
        try:
            answer = self.post()
        except requests.RequestException:
            return None
        assert answer.status_code in (202, 503), answer.text
        return answer if answer.status_code == 202 else None

    def pids(self) -> dict[str, int]:
        """Of what nobody kills here."""
        ours = {name: self.stack.parts[name] for name in ("web", "worker-1", "beat")}
        return {name: part.process.pid for name, part in ours.items() if part.process is not None and part.running}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with stacks.running(tmp_path_factory.mktemp("recovery")) as stack:
        stack.parts["worker-2"].stop()
        site = Site(stack)
        site.goes_on()
        yield site
        site.session.close()


@pytest.fixture(autouse=True)
def nothing_else_ends(site: Site) -> Iterator[None]:
    before = site.pids()
    yield
    assert len(before) == 3
    assert site.pids() == before


def test_without_a_database_the_sender_is_told_to_come_back_and_then_all_goes_on(site: Site) -> None:
    site.stack.parts["postgresql"].kill()
    for _ in range(20):
        answer = site.post()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        # Longer than what is known of a token, and through several sweeps.
        time.sleep(0.3)
    site.stack.parts["postgresql"].start()
    site.goes_on()


def test_without_a_broker_alerts_are_taken_and_when_an_empty_one_is_back_all_goes_on(site: Site) -> None:
    site.stack.parts["broker"].kill()
    site.stack.lose_broker_data(all_of_it=True)
    assert [site.post().status_code for _ in range(20)] == [202] * 20
    assert site.status("/readyz") == 503
    site.stack.parts["broker"].start()
    site.goes_on()
    # Only beat makes a worker sweep, and only a worker that swept makes it ready.
    eventually(lambda: site.status("/readyz") == 200, BACK, "a sweep")


def test_a_broker_that_comes_and_goes_does_not_leave_a_worker_that_hears_nothing(site: Site) -> None:
    for _ in range(5):
        site.stack.parts["broker"].kill()
        site.post()
        site.stack.parts["broker"].start()
        site.post()
    site.goes_on()


def test_a_backend_that_dies_takes_every_connection_along_and_all_goes_on(site: Site) -> None:
    for _ in range(3):
        victim = site.count(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1"
        )
        os.kill(victim, signal.SIGKILL)
        site.goes_on()
