"""The table of numbers in docs/metrics.md, made from `routing.metrics`.

`python -m tests.contract.metric_tables` writes it; a test says when it is stale.
"""

import re
from pathlib import Path

from routing import metrics
from routing.metrics import Gauge
from routing.tallies import Counter, Tally

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
ALERT_RULES = DOCS.with_name("prometheus-alerts.yml")
PLACE = re.compile(r"(<!-- numbers -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """A Markdown table of every number."""
    lines = ["| name | type | labels | what it says |", "|---|---|---|---|"]
    for one in (*metrics.tallies(), *metrics.gauges()):
        labels = " ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {_type(one)} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The document with the table as it must be now."""
    return PLACE.sub(lambda place: place[1] + table(), text)


def _type(one: Tally | Gauge) -> str:
    match one:
        case Gauge(grows=False):
            return "gauge"
        case Gauge() | Counter():
            return "counter"
        case _:
            return "histogram"


if __name__ == "__main__":
    DOCS.write_text(with_table(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
