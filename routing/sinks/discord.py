"""Discord: one embed by webhook.

Limits: discord.com/developers, "Message resource", "Embed limits": title 256 characters, description 4,096, 25 fields
with names of 256 and values of 1,024, footer 2,048, and 6,000 in all of these together. Without `wait=true` an
error while saving is not told. A 404 means that the webhook was deleted; a 429 has `Retry-After`. "Webhook resource",
"Edit Webhook Message": a message can be changed through the webhook that sent it.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import orjson

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import markdown, places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated, Verdict
from routing.sinks.http import HttpSender, verdict

# discord.com/developers, "Opcodes and status codes", "JSON error codes": unknown channel, archived thread, locked
# thread, a forum that wants a thread, a thread where there are none.
_TO_MEND = {10003, 50083, 160005, 220001, 220003}


class Discord(HttpSender):
    """Posts to a channel."""

    kind = "discord"
    label = "Discord"
    takes = Templated(title=250, body=1400)
    sends_acknowledged = True
    keeps_receipts = True
    # Thirty in any minute and channel, a burst included (as told in discord-api-docs, issue 367).
    pace = Pace(25, burst=5)
    digests = True

    @dataclass(frozen=True)
    class Config:
        webhook_url: Secret = option(
            "In Discord: the channel's settings → Integrations → Webhooks.",
            label="Webhook URL",
            placeholder="https://discord.com/api/webhooks/…",
            place=places.url,
        )
        thread_id: str = option(
            "A thread of that channel, by its id; empty posts to the channel.", label="Thread", default=""
        )
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Discord cannot tell a repeat.",
            label="Repeat when unsure",
            default=True,
        )

    def send(self, message: Message) -> Outcome:
        told = message.receipt.get("message", "") if message.receipt.get("place") == self._place() else ""
        if told.isdigit() and message.event in ("acknowledged", "resolved"):
            outcome = self.post(self._url(f"/messages/{told}"), self.payload(message), method="PATCH")
            # A 404 may mean that only the message is gone; a new one will tell.
            if outcome.verdict is not Verdict.GONE:
                over = outcome.verdict is Verdict.SENT and message.event == "resolved"
                return replace(outcome, receipt={}) if over else outcome
        outcome = self.post(self._url("", wait="true"), self.payload(message))
        posted = _message_id(outcome.response)
        if outcome.verdict is not Verdict.SENT or not posted:
            return outcome
        newest = {"message": posted, "place": self._place()}
        return replace(outcome, receipt={} if message.event == "resolved" else newest)

    def _url(self, path: str, **query: str) -> str:
        address, _, given = str(self.config.webhook_url).partition("?")
        if self.config.thread_id.isdigit():
            query["thread_id"] = self.config.thread_id
        asked = "&".join(filter(None, (given, urlencode(query))))
        return f"{address.rstrip('/')}{path}{'?' if asked else ''}{asked}"

    def _place(self) -> str:
        """Names the webhook and thread without telling the address, which is a secret."""
        place = f"{self.config.webhook_url} {self.config.thread_id}"
        return hashlib.sha256(place.encode()).hexdigest()[:16]

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """Some refusals are about the channel or thread, not about the message."""
        said = _said(answer.text)
        if answer.status >= 400 and said.get("code") in _TO_MEND:
            return Verdict.CREDENTIALS, f"Discord does not let this sink post there: {str(said.get('message'))[:200]}"
        return verdict(answer.status)

    def payload(self, message: Message) -> dict[str, Any]:
        """The JSON that Discord gets. The lengths below add up to less than 6,000."""
        alert, group = message.newest, message.group
        links = [f"[Open the group]({group.url})"]
        if message.event == "firing":
            links += [f"[Acknowledge]({group.acknowledge_url})", f"[Silence]({group.silence_url})"]
        description = f"{markdown.text(wording.text(message), 1400)}\n\n{' · '.join(links)}"
        # A field without a value makes Discord refuse the whole message.
        pairs = [(label, value) for label, value in wording.facts(alert) if label != "Rule" and value.strip()][:8]
        fields = [{"name": label, "value": markdown.text(value, 200), "inline": True} for label, value in pairs]
        if tree := wording.process_tree(alert):
            fields.append({"name": "Process", "value": markdown.text(tree, 400), "inline": False})
        if command := wording.command_line(alert):
            fields.append({"name": "Command line", "value": markdown.code(command, 900), "inline": False})
        count = f"{group.count} alert{'s' if group.count != 1 else ''}"
        return {
            # Nobody is called, whatever the texts say.
            "allowed_mentions": {"parse": []},
            "embeds": [
                {
                    "title": markdown.text(wording.headline(message), 250),
                    "url": group.url,
                    "description": description,
                    "color": int(wording.colour(message).removeprefix("#"), 16),
                    "fields": fields,
                    "footer": {"text": wording.cut(f"{count} · {message.reason} · route {message.route}", 300)},
                    "timestamp": alert.time.isoformat(),
                }
            ],
        }


def _message_id(body: str) -> str:
    """The number of the message in Discord's answer; empty where there is none."""
    return str(_said(body).get("id", ""))


def _said(body: str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
