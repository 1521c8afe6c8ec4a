"""What a change does, in lines that a person reads before saying yes."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routing.configuration.sections import NOUNS
from routing.configuration.writing import item


@dataclass(frozen=True)
class Change:
    """One thing that is added (nothing before), changed, or deleted (nothing after)."""

    section: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ends: int = 0
    """Groups that fire or were acknowledged, and end with it."""

    @property
    def sign(self) -> str:
        return "+" if self.before is None else "-" if self.after is None else "~"


def lines_of(change: Change) -> Iterator[str]:
    """The thing, then the lines of its YAML that come and go."""
    # A name comes from a file, and a terminal does what some characters say.
    name = change.name if change.name.isprintable() else ascii(change.name)
    ends = f" (ends {change.ends} group{'' if change.ends == 1 else 's'})" if change.ends else ""
    yield f"{change.sign} {NOUNS[change.section]} {name}{ends}"
    before, after = (_lines(change.section, facts) for facts in (change.before, change.after))
    if change.after is not None:
        # The first two lines name the files.
        for line in list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]:
            if not line.startswith("@@"):
                yield f"    {line[0]} {line[1:]}"


def _lines(section: str, facts: dict[str, Any] | None) -> list[str]:
    return item(section, facts).splitlines() if facts is not None else []
