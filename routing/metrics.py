"""Every number that /metrics tells, by name: what is counted as it happens, and what is read from rows when asked.

docs/metrics.md is made from this file. No label has a value per alert, rule or address, and every label's values are
bounded (`tallies.MOST_SERIES`, `readings.MOST_NAMED`), so that nobody who posts can make the numbers grow.
"""

from dataclasses import dataclass

from routing.tallies import Counter, Labels, Tally, Timing


@dataclass(frozen=True)
class Gauge:
    """Something that is as it is at this moment, read when asked; `grows` where it only ever grows."""

    name: str
    help: str
    labels: Labels = ()
    grows: bool = False


# Ingest.
ALERTS = Counter(
    "sensorapp_alerts_total",
    "Alerts in posts: `accepted`, `duplicate`, or `rejected` with the member that was wrong as `reason`.",
    ("outcome", "reason"),
)
REQUESTS = Counter(
    "sensorapp_requests_total",
    "Requests to the paths that machines use, answered with this status. The pages are not counted.",
    ("path", "status"),
)
COMMIT = Timing("sensorapp_commit_seconds", "Storing the alerts of posts that came together, to the commit's end.")
COMMIT_FAILURES = Counter("sensorapp_commit_failures_total", "Such commits that failed; their posts got a 503.")
DOORBELL_FAILURES = Counter(
    "sensorapp_doorbell_failures_total", "Rings that Redis did not take, and subscriptions it ended."
)

# Routing.
ROUTING = Timing("sensorapp_routing_seconds", "From an alert's receipt until it was routed.")
ROUTE_MATCHES = Counter("sensorapp_route_matches_total", "Alerts that a route took.", ("route",))

# Delivery.
PLANNED = Counter("sensorapp_planned_deliveries_total", "Deliveries owed: `queued`, or `suppressed`.", ("state",))
SETTLED = Counter(
    "sensorapp_settled_deliveries_total", "Deliveries that ended: `sent`, `failed` or `unknown`.", ("sink", "state")
)
ATTEMPTS = Counter("sensorapp_attempts_total", "Attempts that ended.", ("sink", "outcome"))
ATTEMPT = Timing("sensorapp_attempt_seconds", "How long an attempt took.", ("sink",))
FIRST_ATTEMPT = Timing(
    "sensorapp_first_attempt_seconds",
    "From an alert's receipt until the first attempt to tell of it; the waits that its route asks for are in it.",
)
DELIVERY_WAIT = Timing(
    "sensorapp_delivery_wait_seconds", "From the moment a delivery was owed until its first attempt: our own delay."
)

# The product itself.
TASK = Timing("sensorapp_task_seconds", "How long a worker's task took.", ("task",))
SWEEP_FAILURES = Counter("sensorapp_sweep_failures_total", "Steps of the sweep that failed.", ("step",))
DEADMAN_PINGS = Counter("sensorapp_deadman_pings_total", "Pings of DEADMAN_URL: `taken` or `failed`.", ("outcome",))

# Read when asked.
UNROUTED = Gauge("sensorapp_unrouted_alerts", "Alerts stored and not yet routed; counted up to 100,000.")
UNROUTED_AGE = Gauge("sensorapp_unrouted_oldest_seconds", "How long the oldest of them has waited; 0 where none has.")
OPEN_DELIVERIES = Gauge("sensorapp_open_deliveries", "Deliveries `queued` or `sending`.", ("sink", "state"))
DELIVERY_OVERDUE = Gauge(
    "sensorapp_delivery_overdue_seconds", "How long the delivery longest due waits; 0 where none is due.", ("sink",)
)
DEAD_DELIVERIES = Gauge(
    "sensorapp_dead_deliveries", "Deliveries given up and neither sent again nor discarded; up to 10,000.", ("state",)
)
SINK_ENABLED = Gauge("sensorapp_sink_enabled", "1 where the sink is used.", ("sink", "kind"))
SINK_SHUT = Gauge("sensorapp_sink_breaker_open", "1 while nothing is sent because the sink keeps failing.", ("sink",))
SINK_FAILURES = Gauge("sensorapp_sink_failures", "Failed attempts since the last that succeeded.", ("sink",))
SINK_SENT = Gauge(
    "sensorapp_sink_last_sent_timestamp_seconds", "When something was last sent; absent: never.", ("sink",)
)
GROUPS = Gauge("sensorapp_groups", "Alert groups; up to 10,000 of a state.", ("state",))
RUNS = Gauge("sensorapp_runs", "Action runs; up to 10,000 of a state.", ("state",))
SENSORS = Gauge(
    "sensorapp_sensors", "Sensors: `online`, `late`, or `other` for a Falco, which says no hello.", ("state",)
)
SENSOR_SEEN = Gauge(
    "sensorapp_sensor_last_seen_timestamp_seconds", "When a sensor of ours was last heard.", ("sensor",)
)
SENSOR_LOST = Gauge(
    "sensorapp_sensor_lost_events_total", "Events that the kernel dropped, since the sensor's start.", ("sensor",), True
)
SENSOR_HELD_BACK = Gauge(
    "sensorapp_sensor_held_back_alerts_total",
    "Alerts that the sensor's limiter dropped, since its start.",
    ("sensor",),
    True,
)
SENSOR_DROPPED = Gauge(
    "sensorapp_sensor_dropped_alerts_total",
    "Alerts that found no room in the sensor's spool, since its start.",
    ("sensor",),
    True,
)
SENSOR_SPOOLED = Gauge("sensorapp_sensor_spooled_alerts", "Alerts that wait in the sensor's spool.", ("sensor",))
QUEUE = Gauge("sensorapp_queue_messages", "Messages in the broker that no worker has taken yet.", ("queue",))
SEEN = Gauge("sensorapp_last_seen_timestamp_seconds", "When `worker`, `beat` or `auditor` was last heard.", ("part",))
FOUND = Gauge("sensorapp_auditor_found", "What the auditor found stuck in its last run.", ("finding",))
FOUND_AGE = Gauge("sensorapp_auditor_found_oldest_seconds", "How long the oldest of it was stuck.", ("finding",))
AUDITOR_SECONDS = Gauge("sensorapp_auditor_duration_seconds", "How long the auditor's last run took.")
PART_UP = Gauge("sensorapp_scrape_part_up", "0 where this part of the numbers could not be read.", ("part",))
PART_SECONDS = Gauge("sensorapp_scrape_part_seconds", "How long reading it took.", ("part",))
BUILD = Gauge("sensorapp_build_info", "Always 1; says which version answers.", ("version",))


def tallies() -> list[Tally]:
    """What is counted, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Tally)]


def gauges() -> list[Gauge]:
    """What is read, in the order of this file."""
    return [value for value in globals().values() if isinstance(value, Gauge)]
