"""Delivery by a real worker, on PostgreSQL and Redis: how fast, how soon after the receipt, and whether one sink in
trouble delays the others.

Sender, receiver, worker and servers share the machine. The worker's CPU time (and that of its database connections)
does not depend on who else uses it.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from tests import services

Figure = tuple[str, float, str, str]
BACKLOG = 3_000
RATE = 200
SECONDS = 10.0
HEALTHY = 4
TURNS = 2
"""Times that the sinks are measured with and without two in trouble, one after the other."""
QUEUES = "route,deliver,respond,maintain"


def run() -> list[Figure]:
    """Deliveries a second, CPU time of one, and how long they take."""
    with (
        services.postgresql(settings=("fsync=on", "synchronous_commit=on")) as database,
        services.redis_server() as broker,
        tempfile.TemporaryDirectory(prefix="sensorapp-bench-") as directory,
        _receiver() as receiver,
    ):
        environment = {
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "DATA_DIR": directory,
            "LOG_LEVEL": "error",
            "OUTBOUND_ALLOW": "127.0.0.0/8",
        }
        command = [sys.executable, "-m", "tests.bench.bench_delivery", receiver]
        out = subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True)
        found = [line.split("\t") for line in out.stdout.splitlines() if line.count("\t") == 3]
        return [(name, float(value), unit, compared) for name, value, unit, compared in found]


def main(receiver: str) -> None:
    """The bench proper, in a process that was started with its servers' addresses."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, skip_checks=True)
    for measure in (_throughput, _latency, _isolation):
        for name, value, unit, compared in measure(receiver):
            print(name, value, unit, compared, sep="\t", flush=True)


def _throughput(receiver: str) -> list[Figure]:
    """A backlog of one webhook, each delivery with an alert and a group of its own."""
    from django.db import connection

    from routing.models import Attempt, Delivery
    from tests import build

    sink = build.sink("webhook", name="fast", secrets={"url": receiver})
    _owe([sink], BACKLOG, datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with _worker() as worker:
        begin = _when(lambda: Delivery.objects.filter(state="sent").exists())
        before, sent = _cpu(worker), Delivery.objects.filter(state="sent").count()
        _when(lambda: not Delivery.objects.exclude(state="sent").exists(), every=0.5)
        after = _cpu(worker)
        left = BACKLOG - sent
        ended = Attempt.objects.order_by("-finished_at").values_list("finished_at", flat=True)[0]
        rate = left / (ended - begin).total_seconds()
    assert Attempt.objects.filter(outcome="sent").count() == BACKLOG
    own, databases = ((after[at] - before[at]) / left * 1000 for at in (0, 1))
    compared = f"{own:.2f} ms CPU of the worker and {databases:.2f} ms of PostgreSQL each; {BACKLOG} of one webhook"
    Delivery.objects.all().delete()
    return [("delivery_rate", rate, "deliveries/s", compared), ("delivery_cpu", own, "ms", "of the worker, each")]


def _no_routes() -> None:
    """Those of the measurement before, with all that hangs on them."""
    from routing.models import AlertGroup, Delivery, GroupedAlert, Route

    for model in (Delivery, GroupedAlert, AlertGroup, Route):
        model._default_manager.all().delete()


def _latency(receiver: str) -> list[Figure]:
    """From an alert's row to the start of the first attempt of its delivery, routing and rings between them."""
    from routing.api.ringer import Ringer, wake_router
    from routing.models import Alert, Attempt, Unrouted
    from tests import build

    _no_routes()
    route = build.route(group_by=["..."])
    sink = build.sink("webhook", name="soon", secrets={"url": receiver})
    route.sinks.add(sink)
    token, received = build.token(), {}
    ringer = Ringer(wake_router)
    ringer.start()
    with _worker():
        for _ in _every(1 / 50, SECONDS):
            now = datetime.now(UTC)
            alerts = [_alert(now, token) for _ in range(RATE // 50)]
            received |= {str(alert.pk): now for alert in Alert.objects.bulk_create(alerts)}
            Unrouted.objects.bulk_create(Unrouted(alert=alert, received_at=now) for alert in alerts)
            ringer.ring(len(alerts))
        _when(lambda: Attempt.objects.filter(delivery__sink=sink, outcome="sent").count() == len(received))
    took = [
        (attempt.started_at - received[attempt.delivery.alert_ids[0]]).total_seconds()
        for attempt in Attempt.objects.filter(delivery__sink=sink, number=1).select_related("delivery")
    ]
    ringer.stop()
    _no_routes()
    compared = f"median {_percentile(took, 0.5) * 1000:.0f} ms; {RATE} alerts/s"
    return [("delivery_first_attempt_p95", _percentile(took, 0.95) * 1000, "ms", compared)]


def _isolation(receiver: str) -> list[Figure]:
    """The time from due to sent of four sinks, alone and beside one that hangs and one that refuses."""
    from routing.models import Sink
    from tests import build

    healthy = [build.sink("webhook", name=f"healthy {number}", secrets={"url": receiver}) for number in range(HEALTHY)]
    with _silent() as hanging:
        refused = f"http://127.0.0.1:{services.free_port()}/"
        troubled = [
            build.sink("webhook", name=name, secrets={"url": url})
            for name, url in (("hanging", hanging), ("refusing", refused))
        ]
        alone: list[float] = []
        beside: list[float] = []
        for _ in range(TURNS):
            alone += _turn(healthy, [])
            Sink.objects.filter(pk__in=[sink.pk for sink in troubled]).update(failures=0, open_until=None)
            beside += _turn(healthy, troubled)
    figures = [(1000 * _percentile(took, 0.95), 1000 * _percentile(took, 0.5)) for took in (alone, beside)]
    compared = f"{figures[1][0] / figures[0][0]:.2f} of the same without them; median {figures[1][1]:.0f} ms"
    return [
        ("delivery_alone_p95", figures[0][0], "ms", f"median {figures[0][1]:.0f} ms; {HEALTHY} sinks, 80 deliveries/s"),
        ("delivery_beside_trouble_p95", figures[1][0], "ms", f"{compared}; one sink hangs, one refuses"),
    ]


def _turn(healthy: Sequence[Any], troubled: Sequence[Any]) -> list[float]:
    """Seconds from due to sent of each delivery of the healthy ones, over some seconds under a steady load."""
    from routing import tasks
    from routing.models import Attempt, Delivery

    with _worker():
        for tick in _every(1 / 20, SECONDS):
            now = datetime.now(UTC)
            some = [*healthy, *(troubled if tick % 4 == 0 else [])]
            tasks.ring_sinks(owed.sink_id for owed in _owe(some, len(some), now))
        mine = Delivery.objects.filter(sink__in=healthy)
        _when(lambda: not mine.exclude(state="sent").exists())
    tries = Attempt.objects.filter(delivery__in=mine, outcome="sent").select_related("delivery")
    took = [(one.finished_at - one.delivery.created_at).total_seconds() for one in tries if one.finished_at]
    Delivery.objects.all().delete()
    return took


def _owe(sinks: Sequence[Any], count: int, now: datetime) -> list[Any]:
    """So many deliveries, dealt out among the sinks, each with an alert and a group of its own."""
    from routing.models import Alert, AlertGroup, Delivery, Route
    from tests import build

    route = Route.objects.first() or build.route(group_by=["..."])
    token = build.token()
    alerts = Alert.objects.bulk_create(_alert(now, token) for _ in range(count))
    groups = AlertGroup.objects.bulk_create(
        AlertGroup(
            route=route,
            key=str(alert.pk),
            labels={"alert.rule": alert.rule},
            fingerprint=alert.fingerprint,
            title=alert.rule,
            priority=alert.priority,
            count=1,
            first_seen_at=now,
            last_seen_at=now,
        )
        for alert in alerts
    )
    return Delivery.objects.bulk_create(
        Delivery(
            sink=sinks[number % len(sinks)],
            route=route,
            group=group,
            alert_ids=[str(alert.pk)],
            alert_count=1,
            reason="first alert of the group",
            next_attempt_at=now,
            created_at=now,
        )
        for number, (alert, group) in enumerate(zip(alerts, groups, strict=True))
    )


def _alert(now: datetime, token: Any) -> Any:
    from routing.models import Alert
    from sensor.alert import new_uuid

    return Alert(
        uuid=new_uuid(),
        time=now,
        time_ns=int(now.timestamp() * 1e9),
        received_at=now,
        rule="bench",
        priority=4,
        source="syscall",
        hostname="node-7",
        output="Sensitive file read (file=/etc/shadow proc=cat parent=bash user=root container=host)",
        output_fields={"proc.name": "cat", "proc.pid": 4242, "fd.name": "/etc/shadow", "k8s.ns.name": "shop"},
        tags=["T1003"],
        fingerprint="f" * 64,
        token=token,
    )


def _every(step: float, seconds: float) -> Iterator[int]:
    """Ticks at a steady rate, however long the work between them takes."""
    began = time.monotonic()
    for tick in range(int(seconds / step)):
        time.sleep(max(0.0, began + tick * step - time.monotonic()))
        yield tick


def _when(holds: Any, every: float = 0.05) -> datetime:
    """The moment from which it holds."""
    until = datetime.now(UTC) + timedelta(minutes=5)
    while not holds():
        if datetime.now(UTC) > until:
            raise RuntimeError("the worker did not do its work")
        time.sleep(every)
    return datetime.now(UTC)


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _worker() -> Iterator[psutil.Process]:
    """One worker process, with the sweeps of its beat; it has swept once when this is entered."""
    from routing import signs

    started = datetime.now(UTC)
    command = [sys.executable, "-m", "celery", "--app", "sensorapp", "--quiet", "worker", "--beat", "--queues", QUEUES]
    process = subprocess.Popen([*command, "--without-gossip", "--without-mingle"], start_new_session=True)
    try:
        _when(lambda: signs.heard().get(signs.Part.WORKER, started) > started)
        yield psutil.Process(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _cpu(worker: psutil.Process) -> tuple[float, float]:
    """Seconds of CPU of the worker and of its connections to the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        backends = [psutil.Process(pid) for (pid,) in cursor.fetchall()]
    family = [worker, *worker.children(recursive=True)]
    own, databases = (sum(sum(one.cpu_times()[:2]) for one in some) for some in (family, backends))
    return own, databases


@dataclass
class _Silent:
    """Takes connections and never answers."""

    server: socket.socket

    def serve(self) -> None:
        held = []
        while True:
            try:
                held.append(self.server.accept())
            except OSError:
                return


@contextmanager
def _silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        threading.Thread(target=_Silent(server).serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@contextmanager
def _receiver() -> Iterator[str]:
    """A receiver in a process of its own that takes everything; its URL."""
    port = services.free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.take_all", str(port)])
    try:
        _when(lambda: services.accepts(port))
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
