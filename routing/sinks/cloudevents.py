"""CloudEvents 1.0 over HTTP, structured or binary.

cloudevents.io, "HTTP Protocol Binding": structured is one JSON object of type application/cloudevents+json; binary puts
the attributes into `ce-` headers, percent-encoded, and the data into the body. `source` and `id` together tell an
event from all others; the id is the delivery's. Everybody on the way must forward events up to 64 KiB.
"""

from dataclasses import dataclass
from typing import Any

from routing.kinds import Secret, option
from routing.sinks import credentials, document, places, wording
from routing.sinks.base import Message, Outcome
from routing.sinks.http import HttpSender

MOST_BYTES = 60_000
"""Of a body: below 64 KiB together with the headers."""


class CloudEvents(HttpSender):
    """Posts every message as an event."""

    kind = "cloudevents"
    label = "CloudEvents"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        url: Secret = option(
            "Where to post. Secret, for many receivers put a key into it.",
            label="URL",
            placeholder="https://broker.example.com/alerts",
            place=places.url,
        )
        mode: str = option(
            "Whether the attributes go into the body or into headers.",
            label="Mode",
            default="structured",
            choices=("structured", "binary"),
        )
        source: str = option("What the events say they come from, a URI.", label="Source", default="urn:sensorapp")
        token: Secret = option("A bearer token.", label="Token", default=Secret(""))

    def send(self, message: Message) -> Outcome:
        headers = credentials.authorization("", "", self.config.token)
        attributes = self.attributes(message)
        if self.config.mode == "binary":
            body = document.fitted(message, MOST_BYTES, lambda told: told["data"])
            headers |= {f"ce-{name}": encoded(value) for name, value in attributes.items()}
        else:
            body = document.fitted(
                message,
                MOST_BYTES,
                lambda told: {**attributes, "datacontenttype": "application/json", "data": told["data"]},
            )
            headers["Content-Type"] = "application/cloudevents+json"
        return self.post(str(self.config.url), body, headers=headers)

    def attributes(self, message: Message) -> dict[str, Any]:
        """The context of the event."""
        return {
            "specversion": "1.0",
            "id": str(message.delivery),
            "source": self.config.source or "urn:sensorapp",
            "type": f"sensorapp.alerts.{message.event}",
            "time": message.created_at.isoformat(),
            "subject": wording.cut(wording.one_line(message.group.title), 200) or "alerts",
        }


def encoded(value: str) -> str:
    """A value for a header: what is not printable ASCII, blanks, quotes and percent signs are percent-encoded."""
    return "".join(
        character if "!" <= character <= "~" and character not in '"%' else _percent(character) for character in value
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))
