"""PagerDuty, Events API v2: an alarm is triggered, acknowledged and resolved under the group's key.

Limits: developer.pagerduty.com, "Send an alert event": summary 1,024 characters, dedup_key 255, the whole event
512 KB. 202 is acceptance, 400 never succeeds, 429 and 5xx are tried again.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated, Verdict
from routing.sinks.http import HttpSender, encode, verdict
from sensor.alert import Priority

REGIONS = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
ACTIONS = {"firing": "trigger", "test": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}
MOST_BYTES = 500_000
"""Below the documented 512 KB, whichever kilobyte is meant."""
MOST_VALUE = 4000


def severity(priority: Priority) -> str:
    """PagerDuty knows four: our eight fall into them as critical, error, warning, and info for the rest."""
    if priority <= Priority.CRITICAL:
        return "critical"
    return {Priority.ERROR: "error", Priority.WARNING: "warning"}.get(priority, "info")


class PagerDuty(HttpSender):
    """Triggers, acknowledges and resolves an alarm of a PagerDuty service."""

    kind = "pagerduty"
    label = "PagerDuty"
    takes = Templated(title=1024)
    sends_acknowledged = True
    paging = True
    # 120 in any minute and integration key, a burst included (developer.pagerduty.com, "Events API v2").
    pace = Pace(100, burst=20)

    @dataclass(frozen=True)
    class Config:
        routing_key: Secret = option(
            "In PagerDuty: the service → Integrations → Events API V2 → Integration Key.", label="Integration key"
        )
        region: str = option("Where your account lives.", label="Region", default="us", choices=("us", "eu"))
        events_url: str = option(
            "Another place to send events to; empty uses the region's.",
            label="Events address",
            default="",
            place=places.url,
        )

    def send(self, message: Message) -> Outcome:
        base = self.config.events_url or REGIONS[self.config.region]
        url = f"{base.rstrip('/')}/v2/enqueue"
        outcome = self.post(url, self.payload(message))
        if message.event != "test" or outcome.verdict is not Verdict.SENT:
            return outcome
        # Nothing else would end what a test began; where this fails, both are done again under the same key.
        return self.post(url, self.payload(replace(message, event="resolved")))

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """A 400 is most often about the key: that it has another length, or is no service's."""
        words = answer.text.lower().replace("_", " ")
        if answer.status == 400 and "routing key" in words:
            return Verdict.CREDENTIALS, "PagerDuty does not know the integration key (400); enter it again"
        return verdict(answer.status)

    def payload(self, message: Message) -> dict[str, Any]:
        """The event. Custom details that make it too large are left out, long ones first."""
        event: dict[str, Any] = {
            "routing_key": str(self.config.routing_key),
            "event_action": ACTIONS[message.event],
            "dedup_key": hashlib.sha256(message.group.key.encode()).hexdigest(),
        }
        if event["event_action"] != "trigger":
            return event
        alert, group = message.newest, message.group
        details = self._details(message)
        event |= {
            "client": "sensorapp",
            "client_url": group.url,
            "links": [
                {"href": group.url, "text": "Open the group"},
                {"href": group.acknowledge_url, "text": "Acknowledge"},
                {"href": group.silence_url, "text": "Silence"},
            ],
            "payload": {
                "summary": wording.cut(wording.headline(message), 1024),
                "source": wording.cut(alert.hostname or alert.source or "unknown", 255),
                "severity": severity(group.priority),
                "timestamp": alert.time.isoformat(),
                "component": wording.cut(str(alert.output_fields.get("proc.name") or alert.source), 255),
                "group": wording.cut(group.title, 255),
                "class": wording.cut(alert.rule, 255),
                "custom_details": details,
            },
        }
        while len(encode(event)) > MOST_BYTES and details:
            del details[max(details, key=lambda name: len(str(details[name])))]
        return event

    def _details(self, message: Message) -> dict[str, Any]:
        alert = message.newest
        details: dict[str, Any] = {
            "output": wording.cut(alert.output, MOST_VALUE),
            "alerts": message.group.count,
            "reason": message.reason,
            "route": message.route,
        }
        if tree := wording.process_tree(alert):
            details["process"] = tree
        if alert.tags:
            details["tags"] = wording.cut(", ".join(alert.tags), MOST_VALUE)
        for name, value in alert.output_fields.items():
            details.setdefault(name, wording.cut(value, MOST_VALUE) if isinstance(value, str) else value)
        return details
