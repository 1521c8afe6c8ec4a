"""What routing an alert costs (its conditions alone, the whole transaction), and what delivering a message costs."""

import socketserver
import statistics
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import django

BATCH = 500
BATCHES = 6
ROUTES = 200
POLICY = 20
"""Silences, maintenance windows and inhibitions, of each."""


def run() -> list[tuple[str, float, str, str]]:
    """Figures over 200 routes: 198 that match nothing, one that takes a third of the alerts, one that takes all."""
    django.setup()
    from django.core.management import call_command
    from django.db import transaction
    from django.test import override_settings

    call_command("migrate", verbosity=0)
    with override_settings(OUTBOUND_ALLOW=["127.0.0.0/8"]), transaction.atomic():
        try:
            return [*_measure(), _delivering()]
        finally:
            transaction.set_rollback(True)


def _measure() -> list[tuple[str, float, str, str]]:
    from routing import tree
    from routing.matching import Walk
    from tests import build

    sink = build.sink("webhook", secrets={"url": "http://127.0.0.1:9/"})
    for number in range(ROUTES - 2):
        condition = f'alert.rule = "Rule {number}" and k8s.ns.name = team-{number} and alert.priority >= error'
        build.route(name=f"team {number}", position=number, condition=condition)
    paging = build.route(name="paging", position=900, condition="alert.priority >= critical", continues=True)
    rest = build.route(name="rest", position=901, group_by=["alert.rule", "alert.hostname"])
    for route in (paging, rest):
        route.sinks.add(sink)

    token = build.token()
    alerts = _stored(token, BATCHES)

    walk = Walk(tree.load())
    matching = _per_alert(lambda: [walk.nodes_for(alert) for alert in alerts[:BATCH]])
    wrong = [f"Rule {number}" for number in range(ROUTES)]
    baseline = _per_alert(lambda: [[name for name in wrong if name == alert.rule] for alert in alerts[:BATCH]])
    plain = _pipelined()
    _add_policy()
    _stored(token, BATCHES)
    whole = _pipelined()
    inserted = _per_alert(lambda: _stored(token, 1), times=3)
    return [
        ("routing_match", matching, "µs/alert", f"{matching / baseline:.1f}x of comparing a text with {ROUTES} texts"),
        ("routing_pipeline", plain, "µs/alert", f"{plain / inserted:.1f}x of inserting an alert"),
        ("routing_with_policy", whole, "µs/alert", f"{whole / plain:.1f}x of routing without {POLICY} of everything"),
    ]


def _stored(token: object, batches: int) -> list[Any]:
    """Alerts that wait to be routed."""
    from routing.models import Alert, Unrouted

    alerts: list[Any] = [_alert(number, token) for number in range(BATCH * batches)]
    Alert.objects.bulk_create(alerts)
    Unrouted.objects.bulk_create(Unrouted(alert=alert, received_at=alert.received_at) for alert in alerts)
    return alerts


def _pipelined() -> float:
    """What routing all that waits takes, a batch in the middle."""
    from routing import pipeline
    from routing.models import Unrouted

    now = datetime.now(UTC)
    taken = [_per_alert(lambda: pipeline.route_pending(now, BATCH), times=1) for _ in range(BATCHES)]
    if Unrouted.objects.exists():
        raise RuntimeError("not every alert was routed, so the figure means nothing")
    return statistics.median(taken)


def _add_policy() -> None:
    """Silences, windows, inhibitions and lookup tables: all are asked."""
    from django.contrib.auth.models import User

    from routing.lookups import digest_of
    from routing.models import Inhibition, Lookup, MaintenanceWindow, Silence

    somebody = User.objects.create(username="somebody")
    now = datetime.now(UTC)
    until = now + timedelta(hours=1)
    for number in range(POLICY):
        about = f"alert.hostname = host-{number} and k8s.ns.name = shop"
        Silence.objects.create(condition=about, starts_at=now, ends_at=until, author=somebody, created_at=now)
        MaintenanceWindow.objects.create(name=f"window {number}", condition=about, ends_at=until)
        Inhibition.objects.create(
            name=f"inhibition {number}",
            source=f'alert.rule = "Rule of the house {number}" and alert.priority >= critical',
            target=f'alert.rule = "Rule of the house {number}" and alert.priority < critical',
            equal=["alert.hostname"],
        )
    for name in ("teams", "owners", "sites"):
        text = "k8s.ns.name,team,channel\n" + "".join(f"space-{n},team {n},#c{n}\n" for n in range(1000))
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

        delivering = _per_alert(deliver, times=2)
        posting = _per_alert(lambda: [outbound.request("POST", url, body=b"{}") for _ in range(BATCH)], times=2)
        server.shutdown()
    return "routing_deliver", delivering, "µs/delivery", f"{delivering / posting:.1f}x of posting alone"


def _alert(number: int, token: object) -> object:
    from routing.models import Alert
    from sensor.alert import new_uuid

    now = datetime.now(UTC)
    return Alert(
        uuid=new_uuid(),
        time=now,
        time_ns=int(now.timestamp() * 1e9),
        received_at=now,
        rule=f"Rule of the house {number % 20}",
        priority=(2, 4, 5)[number % 3],
        source="syscall",
        hostname=f"node-{number % 50}",
        output="Sensitive file read (file=/etc/shadow proc=cat parent=bash user=root container=host)",
        output_fields={"proc.name": "cat", "proc.pid": number, "fd.name": "/etc/shadow", "k8s.ns.name": "shop"},
        tags=["T1003"],
        fingerprint=f"{number % 1000:064d}",
        token=token,
    )


def _per_alert(work: object, times: int = 5) -> float:
    """Microseconds an alert, the best of some batches."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        best = min(best, time.perf_counter() - began)
    return best / BATCH * 1e6
