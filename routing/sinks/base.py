"""What a sink is: a kind, its options, and one method that sends a message and says how it went.

A sink knows nothing of the database. It gets a frozen `Message` and gives back an `Outcome`; what an outcome does to
the delivery (retry, give up, disable the sink) is decided in `routing.deliveries`, the same way for every kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any, ClassVar
from uuid import UUID

from routing.kinds import build, is_secret
from routing.redaction import parts_of, starred
from routing.storable import text as storable_text
from sensor.alert import Priority

EXCERPT = 4096
"""Characters of a request and of a response that an attempt keeps."""
MOST_RECEIPT = 200
"""Characters of a value in a receipt."""


@dataclass(frozen=True)
class AlertFacts:
    """One alert, as a message tells it."""

    uuid: UUID
    time: datetime
    rule: str
    priority: Priority
    source: str
    hostname: str
    output: str
    output_fields: Mapping[str, Any]
    tags: tuple[str, ...]
    url: str


@dataclass(frozen=True)
class GroupFacts:
    """The group that a message is about."""

    key: str
    """The same for every message about the group: what a receiver keeps a conversation under."""
    title: str
    priority: Priority
    labels: Mapping[str, str]
    count: int
    """Alerts in the group since it was first seen."""
    first_seen_at: datetime
    last_seen_at: datetime
    url: str
    acknowledge_url: str
    silence_url: str
    """Every link opens a page that asks for sign-in; following one changes nothing."""


@dataclass(frozen=True)
class Pace:
    """How fast a service lets itself be posted to."""

    per_minute: int
    burst: int
    """Messages that may go out at once after a pause."""


@dataclass(frozen=True)
class Templated:
    """What people may word themselves for a kind of sink, and how long it may be; 0 where they may not."""

    title: int = 0
    body: int = 0
    format: str = "text"
    """Of the body: `text`, which is written as the service needs it and cut, or the whole as `html` or `json`."""

    def most(self, part: str) -> int:
        """The limit of the `title` or the `body`: characters, bytes in html and json."""
        return self.title if part == "title" else self.body


@dataclass(frozen=True)
class Message:
    """What is told to a sink, once."""

    delivery: UUID
    """Stays the same over all attempts, so that a receiver can tell a repeat."""
    event: str
    """firing, acknowledged, resolved or test."""
    reason: str
    """Why it is told now, in words."""
    route: str
    group: GroupFacts
    alerts: tuple[AlertFacts, ...]
    """The alerts it is about, newest last; never empty, at most a hundred."""
    alert_count: int
    """How many alerts it stands for; more than `alerts` holds where there were many."""
    created_at: datetime
    receipt: Mapping[str, str] = field(default_factory=dict)
    """What the sink last gave as `Outcome.receipt` for this group; empty before, and for kinds that keep none."""
    other_groups: int = 0
    """Further groups of the same rule that it stands for, where the sink takes fewer messages than there were."""

    title: str = ""
    """In the words of the sink's own template; empty for the usual ones."""
    body: str = ""

    @property
    def newest(self) -> AlertFacts:
        return self.alerts[-1]


class Verdict(StrEnum):
    """What an attempt's result means for the delivery and for its sink."""

    SENT = "sent"
    RETRY = "retry"
    """A passing trouble: try again with backoff."""
    CREDENTIALS = "credentials"
    """The receiver refuses the credentials, or something else about the sink must be mended: try again slowly, and
    warn."""
    GONE = "gone"
    """The receiver does not exist (any more): disable the sink."""
    FAILED = "failed"
    """This message will never be accepted: give up at once."""


@dataclass(frozen=True)
class Outcome:
    """How one attempt went; `Sender.deliver` masks the secrets in its texts."""

    verdict: Verdict
    error: str = ""
    """A plain sentence; empty where it was sent."""
    status: int | None = None
    retry_after: float | None = None
    """Seconds that the receiver asked for."""
    arrived: bool = False
    """True where a failed attempt may have reached the receiver all the same."""
    request: str = field(default="", repr=False)
    response: str = field(default="", repr=False)
    receipt: Mapping[str, str] | None = None
    """What the sink wants to be given with its next message about the group, such as the number of the message that
    it will edit or reply to; empty forgets what it had, None leaves it. It may be lost, and people may delete what it
    names, so a sink must do without."""


class Sender(ABC):
    """A kind of sink with its options filled in. One file in `routing/sinks` defines one."""

    kind: ClassVar[str]
    label: ClassVar[str]
    sends_resolved: ClassVar[bool] = True
    """Told when a group is resolved."""
    sends_acknowledged: ClassVar[bool] = False
    """Told when a group is acknowledged."""
    paging: ClassVar[bool] = False
    """Wakes people up: given up on after hours, not days."""
    keeps_receipts: ClassVar[bool] = False
    """Has use for `Message.receipt`; reading them takes a query."""
    package: ClassVar[str] = ""
    """A Python package that it needs and the server works without, by the name it is installed by; import it where it
    is used, not at the top."""
    pace: ClassVar[Pace | None] = None
    """What the service takes; more than that waits. A sink may have a limit of its own instead."""
    takes: ClassVar[Templated] = Templated()
    """What of a message can be worded by templates."""
    digests: ClassVar[bool] = False
    """Where more waits than the limit lets through, groups of one rule are told in one message. Not for receivers that
    keep something for each group."""

    @dataclass(frozen=True)
    class Config:
        """The kind's options; each kind has its own."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """`values` are the stored options, secret ones included; raises TypeError where a needed one is missing."""
        self.config: Any = build(self.Config, values)

    @abstractmethod
    def send(self, message: Message) -> Outcome:
        """Try once. Whatever the receiver answers is an `Outcome`; an exception is a mistake in the sink."""

    @classmethod
    def missing(cls) -> str:
        """What must be installed before it can send anything, in a sentence; empty where nothing is missing."""
        if not cls.package or _is_installed(cls.package):
            return ""
        return (
            f"{cls.label} needs the Python package {cls.package}, which is not installed here; "
            f"run pip install {cls.package} in the server's environment and restart it"
        )

    def may_repeat(self) -> bool:
        """Whether a message that may have arrived is sent again. False risks a loss, True a repeat."""
        return True

    def secrets(self) -> list[str]:
        """The values that must never show."""
        return [str(getattr(self.config, f.name)) for f in fields(self.config) if is_secret(f)]

    def masked(self, text: str) -> str:
        """`text` without secrets and without what a database refuses, cut to what an attempt keeps."""
        return starred(storable_text(text), self._telling_parts)[:EXCERPT]

    @cached_property
    def _telling_parts(self) -> list[str]:
        return parts_of(self.secrets())

    def deliver(self, message: Message) -> Outcome:
        """`send`, with the secrets masked in everything that is kept or shown of it."""
        if missing := self.missing():
            # As with refused credentials, somebody must mend something first.
            return Outcome(Verdict.CREDENTIALS, missing)
        outcome = self.send(message)
        return replace(
            outcome,
            error=self.masked(outcome.error),
            request=self.masked(outcome.request),
            response=self.masked(outcome.response),
            receipt=None if outcome.receipt is None else _kept(outcome.receipt),
        )


@cache
def _is_installed(package: str) -> bool:
    """Modules may be called otherwise: PyYAML is imported as yaml, paho-mqtt as paho.mqtt."""
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True


def _kept(receipt: Mapping[str, str]) -> dict[str, str]:
    """A receipt without what a database refuses; its values come from a receiver."""
    return {name: storable_text(value)[:MOST_RECEIPT] for name, value in receipt.items()}
