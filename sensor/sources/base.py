"""What an event source is: something that turns what it is given into `Event` objects.

A source that reads the kernel or the network has `open`, `poll`, `close` and `lost`. A decoder has only
`events(payload)`: it is pure, so the server can decode what is posted to it with the same code.
"""

from collections.abc import Iterator
from typing import Protocol

from sensor.event import Event


class EventSource(Protocol):
    """A running source of events."""

    lost: int
    """Events that could not be kept."""

    def open(self) -> None:
        """Begin; raises an error that says what is missing."""

    def poll(self, timeout_s: float) -> Iterator[Event]:
        """The events of the next moments; waits at most `timeout_s` for the first."""

    def close(self) -> None:
        """Give back everything that `open` took."""


class Decoder(Protocol):
    """A pure decoder of one source's payloads."""

    name: str
    """The `source` that rules name."""

    def events(self, payload: bytes) -> Iterator[Event]:
        """The events in one payload; raises ValueError where it is not one."""
