"""Alerts about the sensor itself: source `internal`, so that they can be routed, silenced and counted as such."""

import time

from sensor.alert import Alert, Priority, rfc3339
from sensor.wording import prefixed

BLIND = "Sensor was blind"
LOST = "Sensor lost events"
DROPPED = "Sensor dropped alerts"
REJECTED = "Server rejected alerts"
RULESET_REFUSED = "Sensor refused a ruleset"
SPOOL_DAMAGED = "Sensor spool was damaged"


def internal_alert(
    rule: str,
    text: str,
    hostname: str,
    fields: dict[str, str | int | float],
    priority: Priority = Priority.WARNING,
) -> Alert:
    """An alert that this sensor raises about itself, now."""
    now = time.time_ns()
    return Alert(
        time=rfc3339(now),
        rule=rule,
        priority=priority.label,
        output=prefixed(now, priority, text),
        source="internal",
        hostname=hostname,
        output_fields={**fields, "evt.time": now},
        tags=["sensor"],
    )


def blind_alert(hostname: str, since_ns: int, until_ns: int, *, restarted: bool) -> Alert:
    """Nobody watched between two runs, because the first one ended without saying so."""
    seconds = round(max(0, until_ns - since_ns) / 1_000_000_000, 1)
    why = "the node restarted" if restarted else "the sensor ended unexpectedly"
    return internal_alert(
        BLIND,
        f"Sensor was blind for {seconds} s: {why} (since={rfc3339(since_ns)} until={rfc3339(until_ns)})",
        hostname,
        {"since": rfc3339(since_ns), "until": rfc3339(until_ns), "seconds": seconds, "node_restarted": int(restarted)},
    )
