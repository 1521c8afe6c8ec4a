"""Tells the workers and the pages that alerts were stored: from a thread of its own, and not for each post.

A dead broker never delays a post: the thread waits, the posts do not, and the sweep finds the alerts anyway.
"""

import threading
from collections.abc import Callable

import kombu.exceptions
import redis
import structlog
from django.conf import settings

from routing import broker, doorbell, metrics
from sensorapp.celery import app

log = structlog.get_logger(__name__)

ROUTE_PENDING = "routing.tasks.route_pending"
FEW, MANY = 0.05, 0.25
"""Seconds between two rings."""
MANY_ALERTS = 50
"""Alerts for one ring, after which the next one gathers for longer: to route a batch costs as much as to route a
hundred alerts, so twenty batches a second would take from ingest what it needs."""


def gap_after(alerts: int) -> float:
    """Seconds to wait after a ring for so many alerts."""
    return MANY if alerts >= MANY_ALERTS else FEW


class Ringer:
    """Calls `ring_now` soon after `ring`, at most once in each gap; many rings before that are one."""

    def __init__(self, ring_now: Callable[[], None], gap: Callable[[int], float] = gap_after) -> None:
        self._ring_now = ring_now
        self._gap = gap
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._alerts = 0
        self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ring(self, alerts: int) -> None:
        """Returns at once. `alerts`: how many more there are."""
        with self._lock:
            self._alerts += alerts
        self._wanted.set()

    def stop(self, seconds: float = 2.0) -> None:
        """Rings a last time if that is wanted, and ends."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            last = self._stopping.is_set()
            self._wanted.clear()
            with self._lock:
                alerts, self._alerts = self._alerts, 0
            try:
                self._ring_now()
            except Exception as error:
                # The edge of the loop: the next ring gets its turn.
                log.error("ringer_failed", error=str(error))
            if last:
                return
            self._stopping.wait(self._gap(alerts))


def wake_router() -> None:
    """Ask a worker to route what is stored, unless that is asked already, and tell the pages."""
    queue = settings.CELERY_TASK_ROUTES[ROUTE_PENDING]["queue"]
    try:
        # A message that still waits will be taken after this commit, so it does for this one too.
        if not broker.client(settings.REDIS_URL).llen(queue):
            app.send_task(ROUTE_PENDING, retry=False, ignore_result=True)
    except (redis.RedisError, kombu.exceptions.OperationalError, OSError) as error:
        metrics.DOORBELL_FAILURES.add()
        log.warning("router_not_woken", error=str(error))
        return
    doorbell.ring("alerts")
