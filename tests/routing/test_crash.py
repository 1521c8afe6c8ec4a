"""A worker killed in the middle of a send loses nothing, and the receiver can tell the repeat."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from routing.models import Attempt, Delivery, Sink
from sensorapp.celery import app
from tests import build
from tests.services import redis_server

WAIT = 60


def database_url() -> str:
    """This test's own database, for another process."""
    here = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{here['NAME']}"
    return f"postgresql://{here['USER']}:{here['PASSWORD']}@{here['HOST']}:{here['PORT']}/{here['NAME']}"


@contextmanager
def worker(broker: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker on a broker of its own, without beat; killed at the end, its children too."""
    command = [sys.executable, "-m", "celery", "--app", "sensorapp", "--quiet", "worker"]
    environment = {
        **os.environ,
        "REDIS_URL": broker,
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(settings.DATA_DIR),
        "OUTBOUND_ALLOW": "127.0.0.0/8",
    }
    process = subprocess.Popen(
        [*command, "--concurrency", "2", "--queues", "deliver,route,respond,maintain"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WAIT)


class Receiver:
    """Holds the first request for ever; answers the others. Remembers every id it saw."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ids: list[str] = []
        self.first = threading.Event()
        self.second = threading.Event()
        self.release = threading.Event()

    def handle(self, request: Request) -> Response:
        self.ids.append(request.headers["webhook-id"])
        if len(self.ids) == 1:
            self.first.set()
            self.release.wait(WAIT)
        else:
            self.second.set()
        return Response("")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with HTTPServer(threaded=True) as server:
        found = Receiver(server.url_for("/hook"))
        server.expect_request(re.compile(".*")).respond_with_handler(found.handle)
        yield found
        found.release.set()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_between_the_call_and_its_record_sends_again_with_the_same_id(receiver: Receiver) -> None:
    route = build.route()
    route.sinks.add(build.sink(secrets={"url": receiver.url}))
    build.alert(time=timezone.now())
    with redis_server() as broker:
        with worker(broker) as first:
            ring(broker, "routing.tasks.route_pending")
            assert receiver.first.wait(WAIT)
            first.kill()
            first.wait(WAIT)
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.attempts_made) == ("sending", 1)
        assert Attempt.objects.get().finished_at is None

        # Its lease ends, and another worker's sweep finds it.
        Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        with worker(broker):
            ring(broker, "routing.tasks.sweep")
            becomes(delivery, "queued")
            # The sink is left alone for a moment, which is over.
            Sink.objects.update(open_until=timezone.now())
            ring(broker, "routing.tasks.sweep")
            assert receiver.second.wait(WAIT)
            becomes(delivery, "sent")
    assert receiver.ids == [str(delivery.uuid)] * 2
    assert list(delivery.attempts.order_by("number").values_list("outcome", flat=True)) == ["unknown", "sent"]
    assert Sink.objects.get().failures == 0


def ring(broker: str, task: str) -> None:
    with app.connection_for_write(broker) as link:
        queue = "route" if task.endswith("route_pending") else "maintain"
        app.send_task(task, connection=link, queue=queue)


def becomes(delivery: Delivery, state: str) -> None:
    """Returns once the delivery is in a state; a worker writes that down after the receiver has answered."""
    until = timezone.now() + timedelta(seconds=WAIT)
    while timezone.now() < until:
        delivery.refresh_from_db()
        if delivery.state == state:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"the delivery is still {delivery.state}")
