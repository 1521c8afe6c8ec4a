"""What the product can do about an alert: one file a kind, found by scan."""

import sys
from functools import cache

from routing.actions.base import Responder
from routing.kinds import scan


@cache
def kinds() -> dict[str, type[Responder]]:
    """Every kind of response action, by name."""
    return scan(sys.modules[__name__], Responder)
