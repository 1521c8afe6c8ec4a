"""What every response action of a node is: a kind, a check, a deed and a truthful outcome."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import msgspec

from sensor.actions.guard import Guard


class State(StrEnum):
    """How an action ended; the words are the server's."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    REFUSED = "refused"
    WOULD_HAVE = "would_have"


class Outcome(msgspec.Struct, frozen=True):
    """The end of an action, as it is recorded and told."""

    state: State
    reason: str = ""
    detail: dict[str, Any] = {}


class Skipped(Exception):
    """There is nothing to act on any more; the text says why."""


class Run(msgspec.Struct, frozen=True):
    """One use of an action, as the server leased it to this node."""

    id: str
    kind: str
    lease: str
    target: dict[str, Any]
    mode: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    params: dict[str, Any] = {}

    @property
    def dry(self) -> bool:
        """Check everything, do nothing."""
        return self.mode == "dry_run"


def utc_now() -> datetime:
    """This node's own clock."""
    return datetime.now(UTC)


class NodeAction(ABC):
    """One kind of action. Subclasses live in a file of this package each; the name of the file does not matter."""

    kind: ClassVar[str]

    def __init__(self, guard: Guard, clock: Callable[[], datetime] = utc_now) -> None:
        self.guard = guard
        self.clock = clock
        """The server's time, in which runs expire."""

    @abstractmethod
    def run(self, run: Run) -> Outcome:
        """Check, and unless the run is dry, act and verify.

        Raises Skipped when the target is gone and Refused (sensor.actions.guard) when a guard forbids it.
        """


def found_kinds() -> dict[str, type[NodeAction]]:
    """Every kind in this package; ValueError if two files claim one kind."""
    package = importlib.import_module("sensor.actions")
    kinds: dict[str, type[NodeAction]] = {}
    for entry in pkgutil.iter_modules(package.__path__, "sensor.actions."):
        module = importlib.import_module(entry.name)
        for value in vars(module).values():
            if not isinstance(value, type) or not issubclass(value, NodeAction) or "kind" not in vars(value):
                continue
            if kinds.setdefault(value.kind, value) is not value:
                raise ValueError(f"{entry.name} and {kinds[value.kind].__module__} both claim {value.kind}")
    return kinds


def allowed(names: Iterable[str], guard: Guard, clock: Callable[[], datetime] = utc_now) -> dict[str, NodeAction]:
    """The actions this node lets run; ValueError for a name that is no kind."""
    kinds = found_kinds()
    unknown = [name for name in names if name not in kinds]
    if unknown:
        raise ValueError(f"actions.allow: {', '.join(unknown)} unknown; known are {', '.join(sorted(kinds))}")
    return {name: kinds[name](guard, clock) for name in names}
