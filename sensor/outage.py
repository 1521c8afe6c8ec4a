"""How long the server has not answered, and so how loud that is in the log."""

import logging

GRACE_SECONDS = 5.0
"""A server that starts or restarts answers by then; nobody has to read about it."""


class Outage:
    """The unanswered requests of one loop."""

    def __init__(self) -> None:
        self._since: float | None = None

    def level(self, now: float) -> int:
        """The level of the line about one more failure at `now` (monotonic seconds): debug, then warning."""
        if self._since is None:
            self._since = now
        return logging.WARNING if now - self._since >= GRACE_SECONDS else logging.DEBUG

    def over(self) -> None:
        """An answer came."""
        self._since = None
