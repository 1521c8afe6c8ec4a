"""What a sensor counts about itself: printed on stop, sent with every hello."""

from dataclasses import dataclass, field
from typing import Any

import psutil


@dataclass(slots=True)
class Stats:
    """Counters since the start. Each has one writing thread; readers may see a value a moment old."""

    events: int = 0
    """Events that reached the rules."""
    matches: int = 0
    """Rule matches, before the limiter."""
    event_errors: int = 0
    """Events that could not be evaluated or worded at all."""
    lost: int = 0
    """Events the kernel dropped because this process did not keep up."""
    rulesets_refused: int = 0
    process: psutil.Process = field(default_factory=psutil.Process)

    def __post_init__(self) -> None:
        # The first call only remembers where to measure from.
        self.process.cpu_percent(None)

    def snapshot(self) -> dict[str, Any]:
        """The counters and what this process costs: percent of one CPU since the last call, resident bytes."""
        return {
            "events": self.events,
            "matches": self.matches,
            "event_errors": self.event_errors,
            "lost": self.lost,
            "rulesets_refused": self.rulesets_refused,
            "cpu_percent": self.process.cpu_percent(None),
            "rss_bytes": self.process.memory_info().rss,
        }
