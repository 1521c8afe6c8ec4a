"""Discord: one embed by webhook.

Limits: discord.com/developers, "Message resource", "Embed limits": title 256 characters, description 4,096, 25 fields
with names of 256 and values of 1,024, footer 2,048, and 6,000 in all of these together. Without `wait=true` an
error while saving is not told. A 404 means that the webhook was deleted; a 429 has `Retry-After`.
"""

from dataclasses import dataclass
from typing import Any

from routing.kinds import Secret, option
from routing.sinks import markdown, wording
from routing.sinks.base import Message, Outcome
from routing.sinks.http import HttpSender


class Discord(HttpSender):
    """Posts to a channel."""

    kind = "discord"
    label = "Discord"

    @dataclass(frozen=True)
    class Config:
        webhook_url: Secret = option(
            "In Discord: the channel's settings → Integrations → Webhooks.",
            label="Webhook URL",
            placeholder="https://discord.com/api/webhooks/…",
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
        url = str(self.config.webhook_url)
        query = "wait=true" + (f"&thread_id={self.config.thread_id}" if self.config.thread_id.isdigit() else "")
        return self.post(f"{url}{'&' if '?' in url else '?'}{query}", self.payload(message))

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def payload(self, message: Message) -> dict[str, Any]:
        """The JSON that Discord gets. The lengths below add up to less than 6,000."""
        alert, group = message.newest, message.group
        links = [f"[Open the group]({group.url})"]
        if message.event == "firing":
            links += [f"[Acknowledge]({group.acknowledge_url})", f"[Silence]({group.silence_url})"]
        description = f"{markdown.text(alert.output or alert.rule, 1400)}\n\n{' · '.join(links)}"
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
