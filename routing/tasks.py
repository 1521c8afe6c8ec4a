"""Celery's tasks: doorbells of a few lines. They take ids, call one service, and may run twice or never."""

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from typing import Any

import redis
import structlog
from celery import Task, shared_task
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError
from structlog.contextvars import bind_contextvars, clear_contextvars

from routing import (
    ages,
    approvals,
    auditor,
    days,
    deadman,
    deliveries,
    doorbell,
    executor,
    failing,
    keeping,
    metrics,
    outages,
    pipeline,
    signs,
)
from routing.auditor import What
from routing.models import Attempt, Unrouted
from routing.pipeline import Planned

log = structlog.get_logger(__name__)
_began: ContextVar[float] = ContextVar("began")

BATCH = 2_000
"""Alerts of one transaction: a deep backlog has many of each group, which is then read and written once."""
ASKED_SECONDS = 5
"""How long a sweep's wish for workers that route stands; the next sweeps have theirs."""
RING_KEPT = 60
"""Seconds after which a ring that no worker took is dropped: the sweeps have rung anew ever since."""
MOST_IN_A_ROW = 20
"""Claims that one message makes a worker take; then another sink's turn may come."""
MOST_AT_FIRST, MOST_AT_A_TIME = 4, 16
"""Deliveries of the first claim and of later ones; a claim of one costs nearly as much as one of four."""
RING_STANDS = 5
"""Seconds for which a ring for a sink stands for all further ones, until a worker has taken it."""


@shared_task
def route_pending() -> None:
    """Route what was stored; rung by ingest, and by itself while there is more."""
    if _route_lanes(timezone.now()):
        _hand_out(route_pending, [()])


@shared_task
def deliver(sink_id: int) -> None:
    """Try what is due for a sink, and go on while it takes what it is sent."""
    doorbell.take_off(f"deliver:{sink_id}")
    most = MOST_AT_FIRST
    for number in range(MOST_IN_A_ROW):
        tried = deliveries.send_next(sink_id, most, timezone.now())
        if not tried:
            return
        doorbell.ring("deliveries")
        if tried[-1].outcome != Attempt.Outcome.SENT:
            return
        if number == 0 and len(tried) == most:
            # There may be enough for another worker.
            _hand_out(deliver, [(sink_id,)])
        # More at a time as long as it goes well: what is claimed when a worker dies is sent again.
        most = min(most * 2, MOST_AT_A_TIME)
    ring_sinks([sink_id])


@shared_task
def run_action(run_id: int) -> None:
    """Run one approved action that runs on the server."""
    executor.run_on_server(run_id, timezone.now())
    doorbell.ring("runs")


@shared_task
def keep_days() -> None:
    """Every few minutes: make the days to come, and drop those that are older than what is kept, with what was settled.

    Beat's schedule knows it by this name.
    """
    now = timezone.now()
    _all_done((_make_days, _drop_days, _tidy), now)


@shared_task
def sweep() -> None:
    """Every second: what is due, what somebody forgot to ring for, and what a dead worker left behind."""
    now = timezone.now()
    signs.leave(signs.Part.WORKER, now)
    if _all_done((_route, _flush, _deliver, _tell_failing, _respond), now):
        signs.leave(signs.Part.SWEEP, now)


@task_prerun.connect
def begin(task_id: str, task: Task, **kwargs: Any) -> None:
    """Every log line of a task names it."""
    clear_contextvars()
    bind_contextvars(task=_short(task), task_id=task_id)
    _began.set(time.monotonic())


@task_postrun.connect
def end(task: Task, **kwargs: Any) -> None:
    metrics.TASK.add(time.monotonic() - _began.get(), _short(task))
    clear_contextvars()


def _short(task: Task) -> str:
    name: str = task.name
    return name.rpartition(".")[2]


@before_task_publish.connect(sender="routing.tasks.sweep")
def beat_ticks(**kwargs: Any) -> None:
    """Runs in beat, which alone sends sweeps: it is known to live also where no worker takes them."""
    signs.leave(signs.Part.BEAT, timezone.now())


@shared_task
def look_for_stuck() -> None:
    """Find what is stuck in spite of all sweeps, see to it again, and say outside whether all is well."""
    now = timezone.now()
    report = auditor.look(now)
    _all_done({REMEDIES[finding.what]: None for finding in report.stuck}, now)
    auditor.keep(report)
    signs.leave(signs.Part.AUDITOR, now)
    if why := auditor.why_unwell(report, timezone.now()):
        log.warning("not_well", why=why)
    else:
        deadman.ping()


def _all_done(steps: Iterable[Callable[[datetime], None]], now: datetime) -> bool:
    """Take steps; one that fails must not stop the others, and the next sweep tries it again.

    Where the database is away none can be taken, and every second one line says so, for minutes perhaps.
    """
    done = True
    for step in steps:
        name = step.__name__.strip("_")
        try:
            step(now)
        except Exception as error:
            done = False
            metrics.SWEEP_FAILURES.add(1, name)
            if outages.is_away(error):
                log.warning("database_away", step=name, error=str(error).strip())
                break
            log.exception("sweep_step_failed", step=name)
    return done


def _make_days(now: datetime) -> None:
    days.ensure(now)


def _drop_days(now: datetime) -> None:
    if oldest := _oldest(now):
        days.drop_before(oldest, now)


def _tidy(now: datetime) -> None:
    if oldest := _oldest(now):
        keeping.tidy(datetime(oldest.year, oldest.month, oldest.day, tzinfo=UTC), now)


def _oldest(now: datetime) -> date | None:
    """The first day that is kept; None where all are."""
    return (now - timedelta(days=settings.RETENTION_DAYS)).date() if settings.RETENTION_DAYS else None


def _route(now: datetime) -> None:
    if _route_lanes(now):
        # As many as can route at once, for those who went on by themselves end where others had all the lanes.
        _hand_out(route_pending, [()] * len(pipeline.lanes_waiting()), expires=ASKED_SECONDS)


def _route_lanes(now: datetime) -> bool:
    """Route as many batches as there are lanes, and tell whether one was full, so that more waits behind it.

    What comes in meanwhile has its own ring: a batch costs as much as a hundred alerts, so many small ones do not pay.
    """
    full = False
    for _ in range(Unrouted.LANES):
        planned = pipeline.route_pending(now, BATCH)
        _ring(planned)
        if not planned.alerts:
            break
        full = full or planned.alerts == BATCH
    return full


def _flush(now: datetime) -> None:
    _ring(pipeline.flush_due(now))


def _deliver(now: datetime) -> None:
    deliveries.take_back(now)
    ages.give_up(now)
    ring_sinks(deliveries.due(now))


def _tell_failing(now: datetime) -> None:
    # The next sweep routes what this raises.
    failing.tell(now)


def _respond(now: datetime) -> None:
    changed = approvals.expire_due(now) + executor.take_back(now)
    due = executor.due(now)
    _hand_out(run_action, ((pk,) for pk in due))
    if changed:
        doorbell.ring("runs")


REMEDIES: dict[What, Callable[[datetime], None]] = {
    What.UNROUTED_ALERTS: _route,
    What.LOST_CLAIMS: _deliver,
    What.OVERDUE_DELIVERIES: _deliver,
    What.OVERDUE_GROUPS: _flush,
    What.STUCK_RUNS: _respond,
}
"""Each is a step of the sweep, so it may be taken at any time, twice or by two workers at once."""


def _ring(planned: Planned) -> None:
    """After the commit: wake who must act on what was planned. Losing this loses nothing, the sweep finds it."""
    ring_sinks(planned.sinks)
    _hand_out(run_action, ((pk,) for pk in planned.runs))
    topics = {"alerts": planned.alerts, "deliveries": planned.sinks, "runs": planned.runs}
    if rung := [topic for topic, something in topics.items() if something]:
        doorbell.ring(*rung)


def ring_sinks(sink_ids: Iterable[int]) -> None:
    """Wake a worker for each of these sinks, where nobody has rung for it already."""
    _hand_out(deliver, ((pk,) for pk in sink_ids if doorbell.put_on(f"deliver:{pk}", RING_STANDS)))


def _hand_out(task: Task, arguments: Iterable[tuple[int, ...]], expires: float = RING_KEPT) -> None:
    """A message for each; one that no worker took within `expires` seconds is dropped."""
    try:
        for one in arguments:
            task.apply_async(one, retry=False, expires=expires)
    except (OperationalError, redis.RedisError) as error:
        log.warning("broker_unreachable", task=task.name, error=type(error).__name__)
