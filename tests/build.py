"""Plain builders: the smallest valid thing, with what the test is about given by keyword."""

from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

from django.db import connection

from routing.models import Alert, AlertGroup, Delivery, ResponseAction, Role, Route, Sensor, Sink, Token, Unrouted
from routing.models.member import digest_of
from sensor.alert import Priority

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_made = count()


def token(role: str = Role.SENSOR, secret: str = "sa_test", **fields: Any) -> Token:
    """A stored token whose plain text is `secret`."""
    values = {"name": f"{role} token", "hint": secret[:8], "created_at": NOW, **fields}
    return Token.objects.get_or_create(digest=digest_of(secret), defaults={"role": role, **values})[0]


def sensor(**fields: Any) -> Sensor:
    """A native sensor on node-1 that may kill processes."""
    values = {
        "name": "node-1",
        "hostname": "node-1",
        "native": True,
        "actions": ["kill_process"],
        "boot_id": "boot-1",
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        **fields,
    }
    values.setdefault("token", token(hostname=values["hostname"]))
    return Sensor.objects.create(**values)


def uuid_at(time: datetime) -> UUID:
    """The next UUIDv7 of a moment: those of one moment are in the order in which they were made."""
    value = (int(time.timestamp() * 1000) & (1 << 48) - 1) << 80 | 0x7 << 76 | 0x2 << 62 | next(_made)
    return UUID(int=value)


def alert(priority: str = "warning", waits: bool = True, lane: int = 0, **fields: Any) -> Alert:
    """A stored alert about a process on node-1; it `waits` to be routed, in a lane."""
    time = fields.pop("time", NOW)
    values = {
        "uuid": uuid_at(time),
        "time": time,
        "time_ns": int(time.timestamp()) * 10**9,
        "received_at": time,
        "rule": "Read sensitive file",
        "priority": Priority.named(priority),
        "source": "syscall",
        "hostname": "node-1",
        "output": "Sensitive file read (file=/etc/shadow)",
        "output_fields": {"proc.pid": 4242, "proc.pid.ts": 1_700_000_000_000_000_000, "proc.name": "cat"},
        "tags": ["T1003"],
        "fingerprint": "f" * 64,
        **fields,
    }
    values.setdefault("token", token())
    stored = Alert.objects.create(**values)
    if waits:
        Unrouted.objects.create(alert=stored, received_at=stored.received_at, lane=lane)
    return stored


def route(**fields: Any) -> Route:
    """A route that matches everything and waits for nothing."""
    values = {"name": "everything", "position": 1, "group_by": ["alert.rule"], "group_wait": 0, **fields}
    return Route.objects.create(**values)


def sink(kind: str = "webhook", **fields: Any) -> Sink:
    """A stored sink; `config` and `secrets` are the kind's own."""
    return Sink.objects.create(**{"name": f"a {kind}", "kind": kind, **fields})


def lost_secrets(sink: Sink) -> Sink:
    """The sink as it is where its key was lost."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE routing_sink SET secrets = 'not ours' WHERE id = %s", [sink.pk])
    return Sink.objects.get(pk=sink.pk)


def owed(sink: Sink, **fields: Any) -> Delivery:
    """A delivery that waits for its first try, about no group unless one is given."""
    values = {"reason": "first alert of the group", "next_attempt_at": NOW, "created_at": NOW, "alert_count": 1}
    return Delivery.objects.create(sink=sink, **{**values, **fields})


def group(route: Route, **fields: Any) -> AlertGroup:
    """A firing group of one alert."""
    values = {
        "key": "k" * 64,
        "labels": {"alert.rule": "Read sensitive file"},
        "fingerprint": "f" * 64,
        "title": "Read sensitive file",
        "priority": Priority.WARNING,
        "count": 1,
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        **fields,
    }
    return AlertGroup.objects.create(route=route, **values)


def action(**fields: Any) -> ResponseAction:
    """Kill process, after approval."""
    return ResponseAction.objects.create(
        **{"name": "Kill the process", "kind": "kill_process", "mode": ResponseAction.Mode.APPROVE, **fields}
    )


def posted(**fields: Any) -> dict[str, Any]:
    """An alert as Falco and our sensors write it, before it is JSON."""
    return {
        "time": "2026-11-23T12:00:00.000000000Z",
        "rule": "Read sensitive file",
        "priority": "Warning",
        "source": "syscall",
        "hostname": "node-1",
        "output": "Sensitive file read (file=/etc/shadow)",
        "output_fields": {"proc.name": "cat", "proc.pid": 4242, "fd.name": "/etc/shadow", "user.name": "root"},
        "tags": ["T1003"],
        **fields,
    }
