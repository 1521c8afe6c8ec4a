"""Grafana Loki: one line for each alert, under few labels.

grafana.com, "Loki HTTP API", "Ingest logs": streams of labels with values of a timestamp in nanoseconds, written as a
string, and a line. 204 is success. An entry that Loki has already, same labels, time and line, is left out, so a
repeat leaves no trace. Lines are at most 256 KB by default. "Accept out-of-order writes": an entry that lies more than
half of `max_chunk_age`, an hour by default, behind the newest of its stream is refused, and the rest of the push
stored; it is pushed again as of now.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import credentials, document, places
from routing.sinks.base import AlertFacts, Message, Outcome, Verdict
from routing.sinks.http import HttpSender, verdict

MOST_BYTES = 250_000
"""Of all lines of one push together; inside the push every quote in them takes a byte more."""
MOST_LINE = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# grafana.com, "Request validation and rate limit errors": too_far_behind, out_of_order, greater_than_max_sample_age.
_BEHIND = re.compile(r"too far behind|out of order|timestamp too old")
_OLDEST = re.compile(r"oldest acceptable timestamp is: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d))")
# The same page: missing_labels, max_label_names_per_series, label_name_too_long, label_value_too_long.
_LABELS = re.compile(r"label pair|label names|label name too long|label value too long|parsing labels")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Loki(HttpSender):
    """Pushes alerts as lines of JSON."""

    kind = "loki"
    label = "Loki"
    sends_resolved = False

    @dataclass(frozen=True)
    class Config:
        url: str = option(
            "Loki, or what stands before it.", label="Address", placeholder="https://loki.example.com", place=places.url
        )
        tenant: str = option("Sent as X-Scope-OrgID; empty where there are no tenants.", label="Tenant", default="")
        username: str = option("Empty where it asks for none.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        token: Secret = option("A bearer token, in place of name and password.", label="Token", default=Secret(""))
        labels: str = option(
            "Labels of the stream, with commas between them; priority and source are added.",
            label="Labels",
            default="job=sensorapp",
        )

        def __post_init__(self) -> None:
            parsed(self.labels)

    def send(self, message: Message) -> Outcome:
        headers = credentials.authorization(self.config.username, self.config.password, self.config.token)
        if self.config.tenant:
            headers["X-Scope-OrgID"] = self.config.tenant
        url = f"{self.config.url.rstrip('/')}/loki/api/v1/push"
        outcome = self.post(url, self.payload(message.alerts), headers=headers)
        if outcome.status != 400 or not _BEHIND.search(outcome.response):
            return outcome
        late = _refused(message.alerts, outcome.response)
        return self.post(url, self.payload(late, datetime.now(UTC)), headers=headers)

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """A 400 may be about the sink's labels, which are those of every push."""
        if answer.status == 400 and _LABELS.search(answer.text):
            return Verdict.CREDENTIALS, f"Loki does not take the labels of this sink: {answer.text.strip()[:200]}"
        return verdict(answer.status)

    def secrets(self) -> list[str]:
        return [*super().secrets(), credentials.basic(self.config.username, self.config.password)]

    def payload(self, alerts: Sequence[AlertFacts], at: datetime | None = None) -> dict[str, Any]:
        """The push, with the alerts' lines grouped by their labels; each at its own time unless another is given."""
        labels = parsed(self.config.labels)
        most = min(MOST_LINE, MOST_BYTES // len(alerts))
        streams: dict[tuple[str, str], list[list[str]]] = {}
        for alert in alerts:
            line = document.thinned(document.of_alert(alert), most).decode()
            streams.setdefault(_stream(alert), []).append([nanoseconds(at or alert.time), line])
        return {
            "streams": [
                {"stream": {**labels, "priority": priority, "source": source}, "values": values}
                for (priority, source), values in streams.items()
            ]
        }


def _stream(alert: AlertFacts) -> tuple[str, str]:
    return alert.priority.label.lower(), alert.source or "unknown"


def _refused(alerts: Sequence[AlertFacts], said: str) -> Sequence[AlertFacts]:
    """The alerts that Loki found too old, by the time that it names; all of them where it names none.

    The others of the push it has stored, and would store again under another time.
    """
    named = []
    for text in _OLDEST.findall(said):
        with suppress(ValueError):
            named.append(datetime.fromisoformat(text))
    if not named:
        return alerts
    # Loki leaves out the parts of the second.
    oldest = max(named) + timedelta(seconds=1)
    return [alert for alert in alerts if alert.time < oldest] or alerts


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
