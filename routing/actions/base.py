"""What every kind of response action is: what it needs from an alert, what it acts on, and in whose words.

A kind here decides on the server: it reads the target out of the alert and words it. A kind that runs
on the node is carried out by `sensor.actions`, under the node's own guards; a kind that runs on the
server does its work in `run`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from routing.kinds import build

Target = dict[str, Any]


class Refused(Exception):
    """A guard forbids this target; the text names the guard."""


class NotApplicable(Exception):
    """The alert names no target for this kind; the text says what is missing."""


@dataclass(frozen=True)
class Subject:
    """What a kind may know of an alert."""

    hostname: str
    output_fields: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a run on the server ended; `state` is a final state of an action run."""

    state: str
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NoParams:
    """For kinds without options."""


class Responder:
    """Subclasses live in a file of this package each and set `kind`; the file's name does not matter."""

    kind: ClassVar[str]
    label: ClassVar[str]
    summary: ClassVar[str]
    """One sentence for forms and docs."""
    where: ClassVar[Literal["node", "server"]]
    needs: ClassVar[tuple[str, ...]]
    """Output fields that the alert must carry; without one of them nothing is requested."""
    reversible: ClassVar[bool] = False
    """Whether it can be undone."""
    repeatable: ClassVar[bool] = False
    """Whether running it twice on one target does no more than running it once: only then is a run repeated
    whose outcome nobody reported."""
    Params: ClassVar[type] = NoParams

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params: Any = build(self.Params, params)

    def target_of(self, subject: Subject) -> Target:
        """What to act on, as plain JSON.

        Raises NotApplicable where a needed field is missing or is not what it should be.
        """
        missing = [name for name in self.needs if subject.output_fields.get(name) is None]
        if missing:
            raise NotApplicable(
                f"the alert has no {', '.join(missing)}; the rule's output must print what {self.label} needs"
            )
        return self.target(subject)

    def target(self, subject: Subject) -> Target:
        """The kind's part of `target_of`; every field of `needs` is there."""
        raise NotImplementedError

    def target_key(self, target: Target) -> str:
        """What identifies the target on its node: the same key is the same thing, and another key is not."""
        raise NotImplementedError

    def describe(self, target: Target, hostname: str) -> str:
        """The deed in words, as the approve button says it: Kill pid 4242 (xmrig) on node-7."""
        raise NotImplementedError

    def guard(self, target: Target) -> None:
        """Raise Refused where this target must not be touched, whoever asks and whoever approved."""

    def run(self, target: Target, *, dry: bool) -> Outcome:
        """Check, and unless `dry`, act and verify. For kinds that run on the server; no transaction is open."""
        raise NotImplementedError
