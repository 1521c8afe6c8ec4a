"""Mattermost: one message by incoming webhook.

developers.mattermost.com, "Incoming webhooks" and "Message attachments": the text is at most 16,383 characters, an
attachment needs a `fallback`, and success is `ok` with 200. An error is JSON with `message`; a webhook that was
deleted is a 404 or, in older versions, a 400 that says so.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import markdown, places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated, Verdict
from routing.sinks.http import HttpSender, verdict

# How the ids of errors begin that say the webhook is not there, or that its channel, user or the server must be mended.
_GONE = "web.incoming_webhook.invalid"
_TO_MEND = tuple(f"web.incoming_webhook.{part}" for part in ("channel", "disabled", "permissions", "user"))


class Mattermost(HttpSender):
    """Posts to a channel."""

    kind = "mattermost"
    label = "Mattermost"
    takes = Templated(title=300, body=4000)
    # Ten a second where the server has its limit switched on (docs.mattermost.com, "Rate limiting").
    pace = Pace(600, burst=60)
    digests = True

    @dataclass(frozen=True)
    class Config:
        webhook_url: Secret = option(
            "In Mattermost: Integrations → Incoming Webhooks.",
            label="Webhook URL",
            placeholder="https://mattermost.example.com/hooks/…",
            place=places.url,
        )
        channel: str = option(
            "Another channel than the webhook's, by its name in the address.", label="Channel", default=""
        )
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Mattermost cannot tell a repeat.",
            label="Repeat when unsure",
            default=True,
        )

    def send(self, message: Message) -> Outcome:
        return self.post(str(self.config.webhook_url), self.payload(message))

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """Errors have an id that says more than the status."""
        try:
            said = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            said = None
        if 400 <= answer.status < 500 and isinstance(said, dict):
            error, words = str(said.get("id", "")), str(said.get("message", ""))[:200]
            if error.startswith(_GONE):
                return Verdict.GONE, f"Mattermost has no such webhook: {words}"
            if error.startswith(_TO_MEND):
                return Verdict.CREDENTIALS, f"Mattermost does not let this sink post there: {words}"
        return verdict(answer.status)

    def payload(self, message: Message) -> dict[str, Any]:
        """The JSON that Mattermost gets; the lengths below stay far from its limit."""
        alert, group = message.newest, message.group
        headline = markdown.text(wording.headline(message), 300)
        links = [f"[Open the group]({group.url})"]
        if message.event == "firing":
            links += [f"[Acknowledge]({group.acknowledge_url})", f"[Silence]({group.silence_url})"]
        parts = [markdown.text(wording.text(message), 4000)]
        if tree := wording.process_tree(alert):
            parts.append(f"**Process** {markdown.text(tree, 1000)}")
        if command := wording.command_line(alert):
            parts.append(markdown.code(command, 4000))
        parts.append(" · ".join(links))
        pairs = [(label, value) for label, value in wording.facts(alert) if label != "Rule"][:8]
        count = f"{group.count} alert{'s' if group.count != 1 else ''}"
        payload: dict[str, Any] = {
            "text": headline,
            "attachments": [
                {
                    "fallback": headline,
                    "color": wording.colour(message),
                    "text": "\n\n".join(parts),
                    "fields": [
                        {"title": label, "value": markdown.text(value, 300), "short": True} for label, value in pairs
                    ],
                    "footer": wording.cut(
                        f"{count} · {message.reason} · route {message.route} · {alert.time:%Y-%m-%d %H:%M:%S} UTC", 300
                    ),
                }
            ],
        }
        if self.config.channel:
            payload["channel"] = self.config.channel
        return payload
