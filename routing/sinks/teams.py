"""Microsoft Teams: an Adaptive Card to a workflow that starts when a webhook request is received.

learn.microsoft.com, "Create incoming webhooks with Workflows" and "Create and send messages": about 28 KB a message,
Adaptive Cards only; the address is its own key (`sig`). A workflow answers 202. The older connectors, at
webhook.office.com, have been retired.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from routing.kinds import Secret, option
from routing.sinks import places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated
from routing.sinks.http import HttpSender, encode

MOST_BYTES = 26_000
"""Below the documented 28 KB, which count what Teams wraps around the card."""
RETIRED = "webhook.office.com"
# The colours that cards have (adaptivecards.io, "Colors").
_COLOURS = ("attention", "attention", "attention", "attention", "warning", "accent", "default", "default")


class Teams(HttpSender):
    """Posts to a channel or chat."""

    kind = "teams"
    label = "Microsoft Teams"
    takes = Templated(title=300, body=4000)
    # Four a second, sixty in half a minute (learn.microsoft.com, "Rate limiting for connectors"); workflows name none.
    pace = Pace(60, burst=4)
    digests = True

    @dataclass(frozen=True)
    class Config:
        url: Secret = option(
            "In Teams: the channel → Workflows → Send webhook alerts to a channel. Connectors (webhook.office.com) "
            "have been retired.",
            label="Workflow URL",
            placeholder="https://….environment.api.powerplatform.com/…",
            place=places.url,
        )
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Teams cannot tell a repeat.",
            label="Repeat when unsure",
            default=True,
        )

        def __post_init__(self) -> None:
            if _is_retired(self.url):
                raise ValueError(
                    f"Addresses at {RETIRED} are connectors, which Microsoft has retired: in Teams, make a workflow "
                    "that posts to the channel when a webhook request is received, and enter its address"
                )

    def send(self, message: Message) -> Outcome:
        return self.post(str(self.config.url), self.payload(message))

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def payload(self, message: Message) -> dict[str, Any]:
        """The message; the alert's long texts are halved until it is small enough."""
        longest = 4000
        while len(encode(payload := self._payload(message, longest))) > MOST_BYTES and longest > 100:
            longest //= 2
        return payload

    def _payload(self, message: Message, longest: int) -> dict[str, Any]:
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": wording.cut(wording.headline(message), 300),
            "msteams": {"width": "full"},
            "body": self._body(message, longest),
            "actions": _actions(message),
        }
        return {
            "type": "message",
            "attachments": [
                {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
            ],
        }

    def _body(self, message: Message, longest: int) -> list[dict[str, Any]]:
        alert, group = message.newest, message.group
        colour = "good" if message.event == "resolved" else _COLOURS[group.priority]
        title = _run(wording.cut(wording.headline(message), 300), weight="bolder", size="medium", color=colour)
        body = [_text(title), _text(_run(wording.cut(wording.text(message), longest)))]
        pairs = [(label, value) for label, value in wording.facts(alert) if label != "Rule"][:8]
        if tree := wording.process_tree(alert):
            pairs.append(("Process", tree))
        body += [
            _text(_run(f"{label}: ", weight="bolder"), _run(wording.cut(value, 300)), spacing="none")
            for label, value in pairs
        ]
        if command := wording.command_line(alert):
            body.append(_text(_run(wording.cut(command, longest), fontType="monospace")))
        count = f"{group.count} alert{'s' if group.count != 1 else ''}"
        about = f"{count} in this group · {message.reason} · route {message.route} · {alert.time:%Y-%m-%d %H:%M:%S} UTC"
        body.append(_text(_run(wording.cut(about, 500), isSubtle=True, size="small")))
        return body


def _is_retired(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == RETIRED or host.endswith("." + RETIRED)


def _run(text: str, **look: Any) -> dict[str, Any]:
    """A text that is shown as it is: unlike in a TextBlock or a fact, Markdown in it is not read."""
    return {"type": "TextRun", "text": text, **look}


def _text(*runs: dict[str, Any], **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs), **look}


def _actions(message: Message) -> list[dict[str, Any]]:
    links = [("Open the group", message.group.url)]
    if message.event == "firing":
        links += [("Acknowledge", message.group.acknowledge_url), ("Silence", message.group.silence_url)]
    return [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links]
