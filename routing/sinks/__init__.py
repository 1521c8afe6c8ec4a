"""Sinks: one file a kind, found by scan. Nothing else lists them."""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from routing.kinds import scan
from routing.sinks.base import Sender


@cache
def kinds() -> dict[str, type[Sender]]:
    """Every kind of sink, by its name."""
    return scan(sys.modules[__name__], Sender)  # type: ignore[type-abstract]


def sender_for(kind: str, values: Mapping[str, Any]) -> Sender:
    """The sender of a stored sink; raises KeyError for a kind that is not there and TypeError for missing options."""
    return kinds()[kind](values)
