"""What /metrics reads from rows and from Redis when it is asked: cheap questions, each with a bound on what it counts.

A part is read on its own, so that one which fails or is slow takes nothing from the others.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from django.conf import settings
from django.db.models import Count, Min, Q

from routing import auditor, broker, metrics, signs
from routing.backlog import oldest, waiting
from routing.counting import up_to
from routing.metrics import Gauge
from routing.models import ActionRun, AlertGroup, Delivery, Sensor, Sink
from routing.presence import LATE_AFTER
from routing.tallies import Labels
from sensor.version import VERSION

MOST_NAMED = 200
"""Sinks, and sensors, that are told by name."""
MOST_UNROUTED = 100_000
MOST_COUNTED = 10_000
"""Of one state; over it counting would cost more than knowing is worth."""

Reading = tuple[Gauge, Labels, float]


def backlog(now: datetime) -> Iterator[Reading]:
    """Alerts that wait to be routed."""
    yield metrics.UNROUTED, (), waiting(MOST_UNROUTED)
    yield metrics.UNROUTED_AGE, (), _seconds(oldest(), now)


def owed(now: datetime) -> Iterator[Reading]:
    """Deliveries that wait, and those that were given up."""
    # A state at a time: the indexes that answer hold one state each.
    queued = Delivery.objects.filter(state=Delivery.State.QUEUED).values_list("sink__name")
    for sink, count, due in queued.annotate(n=Count("pk"), due=Min("next_attempt_at"))[:MOST_NAMED]:
        yield metrics.OPEN_DELIVERIES, (sink, Delivery.State.QUEUED.value), count
        yield metrics.DELIVERY_OVERDUE, (sink,), _seconds(due, now)
    sending = Delivery.objects.filter(state=Delivery.State.SENDING).values_list("sink__name")
    for sink, count in sending.annotate(n=Count("pk"))[:MOST_NAMED]:
        yield metrics.OPEN_DELIVERIES, (sink, Delivery.State.SENDING.value), count
    for state in Delivery.DEAD:
        yield metrics.DEAD_DELIVERIES, (state.value,), up_to(Delivery.objects.filter(state=state), MOST_COUNTED)


def sinks(now: datetime) -> Iterator[Reading]:
    """Whether each sink is used, and how it does."""
    for sink in Sink.objects.order_by("name").defer("secrets", "config")[:MOST_NAMED]:
        yield metrics.SINK_ENABLED, (sink.name, sink.kind), float(sink.enabled)
        yield metrics.SINK_SHUT, (sink.name,), float(sink.open_until is not None and sink.open_until > now)
        yield metrics.SINK_FAILURES, (sink.name,), sink.failures
        if sink.last_sent_at is not None:
            yield metrics.SINK_SENT, (sink.name,), sink.last_sent_at.timestamp()


def groups(now: datetime) -> Iterator[Reading]:
    """Groups by state."""
    for state in AlertGroup.State.values:
        yield metrics.GROUPS, (state,), up_to(AlertGroup.objects.filter(state=state), MOST_COUNTED)


def runs(now: datetime) -> Iterator[Reading]:
    """Action runs by state."""
    for state in ActionRun.State.values:
        yield metrics.RUNS, (state,), up_to(ActionRun.objects.filter(state=state), MOST_COUNTED)


def sensors(now: datetime) -> Iterator[Reading]:
    """How many there are, and what each said last."""
    late = Q(last_seen_at__lt=now - LATE_AFTER)
    counts = Sensor.objects.aggregate(
        online=Count("pk", filter=Q(native=True) & ~late),
        late=Count("pk", filter=Q(native=True) & late),
        other=Count("pk", filter=Q(native=False)),
    )
    for state, count in counts.items():
        yield metrics.SENSORS, (state,), count
    # Of a Falco silence means nothing, and of a revoked token's sensor it was meant.
    ours = Sensor.objects.filter(native=True, token__revoked_at=None).order_by("-last_seen_at", "-pk")
    newest = ours.only("name", "last_seen_at", "stats")[:MOST_NAMED]
    # Two tokens may have posted for one host; the last one heard speaks for the name.
    for name, sensor in {sensor.name: sensor for sensor in reversed(newest)}.items():
        yield metrics.SENSOR_SEEN, (name,), sensor.last_seen_at.timestamp()
        for gauge, said in _SAID.items():
            # A sensor's token may post anything as its counters.
            if isinstance(value := sensor.stats.get(said), int | float):
                yield gauge, (name,), value


_SAID = {
    metrics.SENSOR_LOST: "lost",
    metrics.SENSOR_HELD_BACK: "held_back",
    metrics.SENSOR_DROPPED: "dropped",
    metrics.SENSOR_SPOOLED: "spooled",
}


def queues(now: datetime) -> Iterator[Reading]:
    """What no worker has taken yet."""
    names = {settings.CELERY_TASK_DEFAULT_QUEUE, *(to["queue"] for to in settings.CELERY_TASK_ROUTES.values())}
    client = broker.client(settings.REDIS_URL)
    for name in sorted(names):
        yield metrics.QUEUE, (name,), client.llen(name)


def parts(now: datetime) -> Iterator[Reading]:
    """Who was heard when, and what the auditor found."""
    for part, seen in signs.heard().items():
        yield metrics.SEEN, (part.value,), seen.timestamp()
    report = auditor.last_report()
    if report is not None:
        yield metrics.AUDITOR_SECONDS, (), report.seconds
        for finding in report.findings:
            yield metrics.FOUND, (finding.what.value,), finding.count
            yield metrics.FOUND_AGE, (finding.what.value,), finding.oldest_seconds


def build(now: datetime) -> Iterator[Reading]:
    """Which version this is."""
    yield metrics.BUILD, (VERSION,), 1


PARTS: dict[str, Callable[[datetime], Iterable[Reading]]] = {
    part.__name__: part for part in (backlog, owed, sinks, groups, runs, sensors, queues, parts, build)
}


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
