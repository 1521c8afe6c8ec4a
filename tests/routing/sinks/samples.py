"""Messages as sinks get them: one that a person would recognise, and one that tries every limit."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from routing.sinks.base import AlertFacts, GroupFacts, Message
from sensor.alert import Priority

FIXTURES = Path(__file__).parents[2] / "fixtures" / "sinks"
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DELIVERY = UUID("019ab0c4-0000-7000-8000-000000000001")
SITE = "https://sensor.example"
EVENTS = ("firing", "acknowledged", "resolved", "test")


@cache
def _golden(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{kind}.json").read_text(encoding="utf-8"))
    return found


def options(kind: str, server: str) -> dict[str, Any]:
    """The kind's example options, with the address of a local receiver in place of `{server}`."""
    found: dict[str, Any] = json.loads(json.dumps(_golden(kind)["options"]).replace("{server}", server))
    return found


def golden(kind: str, name: str) -> Any:
    """What the kind sends for a sample message; None where its file does not say.

    Kinds that send what the webhook sends have nothing of their own.
    """
    return _golden(kind).get(name)


def alert(**fields: Any) -> AlertFacts:
    """Somebody reads /etc/shadow in a pod."""
    values: dict[str, Any] = {
        "uuid": UUID("019ab0c4-0000-7000-8000-00000000000a"),
        "time": AT,
        "rule": "Read sensitive file",
        "priority": Priority.WARNING,
        "source": "syscall",
        "hostname": "node-7",
        "output": "Sensitive file read (file=/etc/shadow process=cat)",
        "output_fields": {
            "proc.name": "cat",
            "proc.pid": 4242,
            "proc.cmdline": "cat /etc/shadow",
            "proc.pname": "bash",
            "proc.aname[2]": "sshd",
            "user.name": "root",
            "fd.name": "/etc/shadow",
            "container.name": "shop",
            "k8s.ns.name": "prod",
            "k8s.pod.name": "shop-5d8",
        },
        "tags": ("T1003", "mitre_credential_access"),
        "url": f"{SITE}/alerts/019ab0c4-0000-7000-8000-00000000000a/",
    }
    return AlertFacts(**{**values, **fields})


def message(event: str = "firing", *alerts: AlertFacts, **fields: Any) -> Message:
    """A message about a group of two alerts, the newest of which is carried."""
    told = alerts or (alert(),)
    group = GroupFacts(
        key="3:0d6e",
        title=told[-1].rule,
        priority=told[-1].priority,
        labels={"alert.rule": told[-1].rule},
        count=2,
        first_seen_at=AT - timedelta(minutes=5),
        last_seen_at=AT,
        url=f"{SITE}/groups/9/",
        acknowledge_url=f"{SITE}/groups/9/#acknowledge",
        silence_url=f"{SITE}/groups/9/#silence",
    )
    values = {
        "delivery": DELIVERY,
        "event": event,
        "reason": "new alerts in the group",
        "route": "production",
        "group": group,
        "alerts": told,
        "alert_count": 2,
        "created_at": AT,
    }
    return Message(**{**values, **fields})


def enormous() -> Message:
    """A hundred alerts with 40 KB command lines, 300 fields, markup, control characters and every kind of letter."""
    fields = {f"field.{number}": "ü€😀<&>`*_~|" * 40 for number in range(300)}
    fields |= {
        "proc.name": "x" * 5000,
        "proc.cmdline": "sh -c '" + "```<!channel>&\n\x00\x1b[31m" * 2000,
        "proc.pid": 2**70,
    }
    one = alert(
        rule="Rule & <b>markup</b> " * 12,
        priority=Priority.EMERGENCY,
        hostname="h" * 255,
        output="<!everyone> &amp; ] ) 😀 \r\nBcc: a@b.c " * 1500,
        output_fields=fields,
        tags=tuple(f"tag-{number}" for number in range(200)),
    )
    return message("firing", *[one] * 100, alert_count=4000)
