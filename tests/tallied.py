"""What was counted so far, by all processes of this test."""

from routing import tallies
from routing.tallies import Tally


def tallied(tally: Tally, *labels: str) -> float:
    """How often it happened; of a timing, how many durations were counted."""
    tallies.flush()
    parts = tallies.read().get(tally.name, {}).get(labels, {})
    return sum(count for part, count in parts.items() if part != "sum")
