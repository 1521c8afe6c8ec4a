"""Prometheus Alertmanager, API v2: a group is one alert there, which ends when the group is resolved.

prometheus.io, "Alerts API", and the project's OpenAPI file: a JSON array of labels, annotations, `startsAt`, `endsAt`
and `generatorURL`; alerts with equal labels are one, so a repeat changes nothing. Every member of a cluster must be
told. Without `endsAt` an alert would end after Alertmanager's own five minutes.
"""

import re
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from routing.kinds import Secret, option
from routing.sinks import credentials, places, wording
from routing.sinks.base import Message, Outcome, Verdict
from routing.sinks.document import group_id
from routing.sinks.http import HttpSender
from sensor.alert import Priority

MOST_SECONDS = 20.0
"""After which no further member is asked: a claim on a delivery ends after a minute."""
TEST_MINUTES = 5
"""After which what the Test button sent ends."""
MOST_HOURS = 366 * 24
"""After which an alert that nothing more is heard of can end, at most."""
MOST_LABEL = 512
"""Characters of a label; it is part of what identifies an alert."""
MOST_ANNOTATION = 4000


def severity(priority: Priority) -> str:
    """The three words that most configurations of Alertmanager route by."""
    if priority <= Priority.ERROR:
        return "critical"
    return "warning" if priority is Priority.WARNING else "info"


def label_name(name: str) -> str:
    """`name` as a label of Prometheus: letters, digits and underscores, no digit first."""
    safe = re.sub(r"[^a-zA-Z0-9_]", "_", name)
    return f"_{safe}" if safe[:1].isdigit() else safe


class Alertmanager(HttpSender):
    """Posts to every member of an Alertmanager cluster."""

    kind = "alertmanager"
    label = "Alertmanager"
    keeps_receipts = True

    @dataclass(frozen=True)
    class Config:
        url: str = option(
            "The Alertmanager; for a cluster every member, with blanks between them.",
            label="Address",
            placeholder="https://alertmanager.example.com:9093",
            place=places.urls,
        )
        username: str = option("Empty where it asks for none.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        token: Secret = option("A bearer token, in place of name and password.", label="Token", default=Secret(""))
        hours: int = option(
            "An alert that nothing more is heard of ends after this many hours.",
            label="Ends after",
            default=24,
            least=1,
            most=MOST_HOURS,
        )

    def send(self, message: Message) -> Outcome:
        outcome = self._told(self.payload(message))
        before, now = _told_as(message), severity(message.group.priority)
        if message.event == "resolved":
            return replace(outcome, receipt={} if outcome.verdict is Verdict.SENT else None)
        if outcome.verdict is Verdict.SENT:
            return replace(outcome, receipt={"severities": now})
        return replace(outcome, receipt={"severities": " ".join(sorted({*before, now}))} if outcome.arrived else None)

    def _told(self, payload: list[dict[str, Any]]) -> Outcome:
        """What the members say together."""
        headers = credentials.authorization(self.config.username, self.config.password, self.config.token)
        began = time.monotonic()
        outcomes = []
        for member in self.config.url.split():
            if time.monotonic() - began > MOST_SECONDS:
                outcomes.append(Outcome(Verdict.RETRY, "the rest was not asked, for the others took too long"))
                break
            outcomes.append(self.post(f"{member.rstrip('/')}/api/v2/alerts", payload, headers=headers))
        missed = [outcome for outcome in outcomes if outcome.verdict is not Verdict.SENT]
        if len(missed) < len(outcomes):
            # Members tell each other, and a member that is away must not hold up what comes next.
            taken = next(outcome for outcome in outcomes if outcome.verdict is Verdict.SENT)
            said = "; ".join(outcome.error for outcome in missed)
            return replace(taken, error=f"Not every member took it: {said}" if missed else "")
        # Where any of them may still take it, the delivery is not lost.
        worst = next((one for one in missed if one.verdict is Verdict.RETRY), missed[0])
        return replace(worst, arrived=any(one.arrived for one in missed))

    def secrets(self) -> list[str]:
        return [*super().secrets(), credentials.basic(self.config.username, self.config.password)]

    def payload(self, message: Message) -> list[dict[str, Any]]:
        """The group's alert under its severity, and the end of it under those it was told as before.

        An end of what never began would be told as resolved.
        """
        group, alert = message.group, message.newest
        annotations = {
            "summary": wording.cut(wording.headline(message), 500),
            "description": wording.cut(alert.output or alert.rule, MOST_ANNOTATION),
            "priority": group.priority.label,
            "host": wording.cut(alert.hostname, 300),
            "process": wording.cut(wording.process_tree(alert), 1000),
            "command_line": wording.cut(wording.command_line(alert), MOST_ANNOTATION),
            "alerts": str(group.count),
            "reason": wording.cut(message.reason, 300),
        }
        current = severity(group.priority)
        told = _told_as(message)
        severities = {*told} or {current} if message.event == "resolved" else {*told, current}
        lasts = timedelta(hours=max(1, int(self.config.hours)))
        until = message.created_at + (timedelta(minutes=TEST_MINUTES) if message.event == "test" else lasts)
        started = min(group.first_seen_at, message.created_at)
        return [
            {
                "labels": {**self._labels(message), "severity": word},
                "annotations": {name: value for name, value in annotations.items() if value},
                "startsAt": started.isoformat(),
                "endsAt": (
                    until if word == current and message.event != "resolved" else message.created_at
                ).isoformat(),
                "generatorURL": group.url,
            }
            for word in sorted(severities)
        ]

    def _labels(self, message: Message) -> dict[str, str]:
        """What stays the same as long as the group lives; the newest rule, host and priority do not."""
        group = message.group
        labels = {label_name(name): wording.cut(str(value), MOST_LABEL) for name, value in group.labels.items()}
        return {
            **{name: value for name, value in labels.items() if value},
            "alertname": wording.cut(group.labels.get("alert.rule") or "sensorapp", MOST_LABEL),
            "group": group_id(message)[:16],
        }


def _told_as(message: Message) -> list[str]:
    """The severities under which the group's alert may be on there."""
    return message.receipt.get("severities", "").split()
