"""An alert that somebody makes up, as if the sensor on its node had just told it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from routing.admission import Rejected, Sender, admit
from routing.models import Alert, Role, Sensor
from sensor.alert import rfc3339


class NoAlert(ValueError):
    """What was given is no alert; the text says why."""


def alert_of(given: Mapping[str, Any], now: datetime) -> Alert:
    """The alert, not stored; without a time it is of `now`. Raises NoAlert."""
    hostname = given.get("hostname")
    ours = Sensor.objects.filter(hostname=hostname, native=True, token__revoked_at=None)
    sensor = ours.order_by("-last_seen_at").first() if isinstance(hostname, str) and "\0" not in hostname else None
    node = sensor.hostname if sensor else ""
    try:
        row = admit({"time": rfc3339(int(now.timestamp() * 1e6) * 1000), **given}, Sender(0, "", Role.SENSOR, node))
    except Rejected as error:
        raise NoAlert(f"{error}.") from None
    return Alert(
        uuid=row.uuid,
        time=row.time,
        time_ns=row.time_ns,
        received_at=now,
        rule=row.rule,
        priority=row.priority,
        source=row.source,
        hostname=row.hostname,
        output=row.output,
        output_fields=json.loads(row.output_fields),
        tags=json.loads(row.tags),
        held_back=row.held_back,
        fingerprint=row.fingerprint,
        sensor=sensor,
        own_node=row.own_node,
    )
