"""Grafana Loki: one line for each alert, under few labels.

grafana.com, "Loki HTTP API", "Ingest logs": streams of labels with values of a timestamp in nanoseconds, written as a
string, and a line. 204 is success. An entry that Loki has already, same labels, time and line, is left out, so a
repeat leaves no trace. Lines are at most 256 KB by default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing.kinds import Secret, option
from routing.sinks import credentials, document
from routing.sinks.base import AlertFacts, Message, Outcome, Verdict
from routing.sinks.http import HttpSender

MOST_BYTES = 250_000
"""Of all lines of one push together; inside the push every quote in them takes a byte more."""
MOST_LINE = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Loki(HttpSender):
    """Pushes alerts as lines of JSON."""

    kind = "loki"
    label = "Loki"
    sends_resolved = False

    @dataclass(frozen=True)
    class Config:
        url: str = option("Loki, or what stands before it.", label="Address", placeholder="https://loki.example.com")
        tenant: str = option("Sent as X-Scope-OrgID; empty where there are no tenants.", label="Tenant", default="")
        username: str = option("Empty where it asks for none.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        token: Secret = option("A bearer token, in place of name and password.", label="Token", default=Secret(""))
        labels: str = option(
            "Labels of the stream, with commas between them; priority and source are added.",
            label="Labels",
            default="job=sensorapp",
        )

    def send(self, message: Message) -> Outcome:
        try:
            labels = parsed(self.config.labels)
        except ValueError as error:
            return Outcome(Verdict.FAILED, str(error))
        headers = credentials.authorization(self.config.username, self.config.password, self.config.token)
        if self.config.tenant:
            headers["X-Scope-OrgID"] = self.config.tenant
        return self.post(
            f"{self.config.url.rstrip('/')}/loki/api/v1/push", self.payload(message, labels), headers=headers
        )

    def secrets(self) -> list[str]:
        return [*super().secrets(), credentials.basic(self.config.username, self.config.password)]

    def payload(self, message: Message, labels: Mapping[str, str]) -> dict[str, Any]:
        """The push, with the alerts' lines grouped by their labels."""
        most = min(MOST_LINE, MOST_BYTES // len(message.alerts))
        streams: dict[tuple[str, str], list[list[str]]] = {}
        for alert in message.alerts:
            line = document.thinned(document.of_alert(alert), most).decode()
            streams.setdefault(_stream(alert), []).append([nanoseconds(alert.time), line])
        return {
            "streams": [
                {"stream": {**labels, "priority": priority, "source": source}, "values": values}
                for (priority, source), values in streams.items()
            ]
        }


def _stream(alert: AlertFacts) -> tuple[str, str]:
    return alert.priority.label.lower(), alert.source or "unknown"


def nanoseconds(moment: datetime) -> str:
    """Since 1970, in digits."""
    return str((moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def parsed(text: str) -> dict[str, str]:
    """`job=sensorapp, cluster=east` as labels; raises ValueError for what is none."""
    labels = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not _NAME.fullmatch(name) or not value:
            raise ValueError(
                f"{part!r} is not a label; write name=value, with letters, digits and underscores in names"
            )
        labels[name] = value
    return labels
