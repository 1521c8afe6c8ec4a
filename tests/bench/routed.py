"""Routes and delivers in one process and prints what it took, as JSON; `bench_routing` runs it.

Figures are over 200 routes: 198 that match nothing, one that takes a quarter of the alerts, one that takes all.
"""

import json
import socketserver
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django

from tests.bench.load import Requests

Figure = tuple[str, float, str, str]
BATCH = 500
BATCHES = 10
"""That are measured; with as many again that may be partly filled, for alerts wait in lanes."""
ROUTES = 200
POLICY = 20
"""Silences, maintenance windows and inhibitions, of each."""


@dataclass
class Cost:
    """Microseconds an alert."""

    wall: float
    python: float
    """Of the processor, in this thread."""
    postgresql: float
    """The same, in the process that serves this connection."""


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test import override_settings

    from sensorapp.celery import look_for_garbage_less_often

    look_for_garbage_less_often()  # As a worker does.
    with override_settings(OUTBOUND_ALLOW=["127.0.0.0/8"]):
        figures = [*_routing(), _delivering()]
    connection.close()
    json.dump(figures, sys.stdout)


def _routing() -> list[Figure]:
    from routing import tree
    from routing.matching import Walk
    from routing.models import Alert
    from tests import build

    sink = build.sink("webhook", secrets={"url": "http://127.0.0.1:9/"})
    for number in range(ROUTES - 2):
        condition = f'alert.rule = "Rule {number}" and k8s.ns.name = team-{number} and alert.priority >= error'
        build.route(name=f"team {number}", position=number, condition=condition)
    paging = build.route(name="paging", position=900, condition="alert.priority >= critical", continues=True)
    rest = build.route(name="rest", position=901, group_by=["alert.rule", "alert.hostname"], group_wait=30)
    for route in (paging, rest):
        route.sinks.add(sink)

    posted = Posted()
    inserted = posted.store(2 * BATCHES) / (2 * BATCHES * BATCH)
    alerts = list(Alert.objects.all()[:BATCH])
    walk = Walk(tree.load())
    matching = _best(lambda: [walk.nodes_for(alert) for alert in alerts], times=5)
    wrong = [f"Rule {number}" for number in range(ROUTES)]
    compared = _best(lambda: [[name for name in wrong if name == alert.rule] for alert in alerts], times=5)
    plain = _pipelined()
    _add_policy()
    posted.store(2 * BATCHES)
    policed = _pipelined()
    return [
        ("routing_match", matching, "µs/alert", f"{matching / compared:.1f}x of comparing a text with {ROUTES} texts"),
        ("routing_pipeline", plain.wall, "µs/alert", f"{plain.wall / inserted / 1e6:.1f}x of storing an alert"),
        *_processor("routing_pipeline", plain),
        (
            "routing_with_policy",
            policed.wall,
            "µs/alert",
            f"{policed.wall / plain.wall:.1f}x of routing without {POLICY} of everything",
        ),
        *_processor("routing_with_policy", policed),
    ]


def _processor(name: str, cost: Cost) -> list[Figure]:
    total = cost.python + cost.postgresql
    shares = f"of the processor: {cost.python:.0f} of Python, {cost.postgresql:.0f} of PostgreSQL"
    return [(f"{name}_cpu", total, "µs/alert", shares)]


class Posted:
    """Alerts of 500 rules on 200 hosts as ingest stores them."""

    def __init__(self) -> None:
        from routing.admission import Sender
        from routing.ingest import Intake
        from tests import build

        token = build.token()
        self._sender = Sender(token.pk, token.name, token.role, token.hostname)
        self._intake = Intake()
        self._make = Requests(BATCH, "")

    def store(self, batches: int) -> float:
        """Store alerts that wait to be routed; the seconds it took."""
        from routing.api.post_alerts import read

        bodies = [self._make().partition(b"\r\n\r\n")[2] for _ in range(batches)]
        rows = [read(body, self._sender, {})[0] for body in bodies]
        began = time.perf_counter()
        for some in rows:
            self._intake.store(some, datetime.now(UTC))
        return time.perf_counter() - began


def _pipelined() -> Cost:
    """What routing a full batch takes, the one in the middle."""
    from django.db import connection

    from routing import pipeline
    from routing.models import Unrouted

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [server] = cursor.fetchone()
    full: list[Cost] = []
    while True:
        before = time.perf_counter(), time.thread_time(), _processor_seconds(server)
        routed = pipeline.route_pending(datetime.now(UTC), BATCH).alerts
        after = time.perf_counter(), time.thread_time(), _processor_seconds(server)
        if not routed:
            break
        if routed == BATCH:
            full.append(Cost(*(1e6 * (then - now) / BATCH for now, then in zip(before, after, strict=True))))
    if Unrouted.objects.exists() or len(full) < BATCHES:
        raise RuntimeError("not every alert was routed in full batches, so the figure means nothing")
    return Cost(*(statistics.median(getattr(one, name) for one in full) for name in Cost.__dataclass_fields__))


def _processor_seconds(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _add_policy() -> None:
    """Silences, windows, inhibitions and lookup tables: all are asked."""
    from django.contrib.auth.models import User

    from routing.lookups import digest_of
    from routing.models import Inhibition, Lookup, MaintenanceWindow, Silence

    somebody = User.objects.create(username="somebody")
    now = datetime.now(UTC)
    until = now + timedelta(hours=1)
    for number in range(POLICY):
        about = f"alert.hostname = node-{number} and k8s.ns.name = shop"
        Silence.objects.create(condition=about, starts_at=now, ends_at=until, author=somebody, created_at=now)
        MaintenanceWindow.objects.create(name=f"window {number}", condition=about, ends_at=until)
        Inhibition.objects.create(
            name=f"inhibition {number}",
            source=f'alert.rule = "Rule number {number} of the bench" and alert.priority >= critical',
            target=f'alert.rule = "Rule number {number} of the bench" and alert.priority < critical',
            equal=["alert.hostname"],
        )
    for name in ("teams", "owners", "sites"):
        text = "k8s.ns.name,team,channel\n" + "".join(f"team-{n},team {n},#c{n}\n" for n in range(1000))
        Lookup.objects.create(name=name, text=text, digest=digest_of(text))


class _Receiver(socketserver.StreamRequestHandler):
    """Takes every request and says so, as fast as Python can."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        while self.rfile.readline():
            size = 0
            while (line := self.rfile.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
            self.rfile.read(size)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _delivering() -> tuple[str, float, str, str]:
    """Deliveries of one sink, sixteen to a claim, each with its attempt, to a receiver on this machine."""
    from routing import deliveries, outbound
    from routing.models import Delivery
    from tests import build

    now = datetime.now(UTC)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Receiver) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        sink = build.sink("webhook", name="receiver", secrets={"url": url})
        alert = build.alert()
        Delivery.objects.bulk_create(
            Delivery(sink=sink, alert_ids=[str(alert.pk)], reason="bench", next_attempt_at=now, created_at=now)
            for _ in range(BATCH * 3)
        )

        def deliver() -> None:
            left = BATCH
            while left > 0:
                left -= len(deliveries.send_next(sink.pk, 16, now))

        delivering = _best(deliver, times=2)
        posting = _best(lambda: [outbound.request("POST", url, body=b"{}") for _ in range(BATCH)], times=2)
        server.shutdown()
    return "routing_deliver", delivering, "µs/delivery", f"{delivering / posting:.1f}x of posting alone"


def _best(work: Callable[[], Any], times: int) -> float:
    """Microseconds an alert of a batch, the best of some tries."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best / BATCH * 1e6


if __name__ == "__main__":
    main()
