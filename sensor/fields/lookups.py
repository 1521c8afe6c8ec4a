"""What an event does not carry but a node knows: names of users and groups, what is behind a container's id.

The catalog only asks; the agent says who answers (`answer_with`). Until it does, only what needs no asking is
known, and everything else is a missing field, as it is where the node does not know either.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol


class Account(Protocol):
    """What is known of a user."""

    @property
    def name(self) -> str:
        """Login name."""

    @property
    def home(self) -> str:
        """Home directory."""

    @property
    def shell(self) -> str:
        """Login shell."""


def _unknown(key: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Lookups:
    """Functions that answer from memory, at once; each returns None for what is not known."""

    user: Callable[[int], Account | None] = _unknown
    """By uid."""
    group: Callable[[int], str | None] = _unknown
    container: Callable[[str], Mapping[str, Any] | None] = _unknown
    """By the id in `container.id`: values by full field name, `container.name`, `k8s.pod.name`, …"""
    hostname: str = os.environ.get("FALCO_HOSTNAME") or os.uname().nodename


_current = Lookups()


def answer_with(**changes: Any) -> None:
    """Replace some of the lookups: `answer_with(user=users.get, hostname="node-1")`."""
    global _current
    _current = replace(_current, **changes)


def current() -> Lookups:
    """The lookups in use."""
    return _current
