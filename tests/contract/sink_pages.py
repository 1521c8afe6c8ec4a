"""What docs/sinks.md says of each kind of sink: its section, the table of options made from its `Config`, its limits.

`python -m tests.contract` writes what is missing or stale; a test says when that is needed.
"""

import dataclasses
import inspect
import re
from pathlib import Path

from routing import sinks
from routing.kinds import is_secret, limits
from routing.sinks.base import Sender

DOCS = Path(__file__).parents[2] / "docs" / "sinks.md"
PACES = re.compile(r"(<!-- paces -->\n).*?(?=<!-- end -->)", re.DOTALL)
PLACE = re.compile(r"(<!-- options: (?P<kind>\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
AFTER_THE_KINDS = "## What every sink does\n"


def table(options: type) -> str:
    """A Markdown table of an options dataclass."""
    lines = ["| option | name | default | what it is |", "|---|---|---|---|"]
    for field in dataclasses.fields(options):
        if field.default is dataclasses.MISSING:
            default = "(needed)"
        elif field.default == "":
            default = ""
        else:
            default = f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
        said = field.metadata["help"]
        if field.metadata["choices"]:
            said += f" One of {', '.join(f'`{choice}`' for choice in field.metadata['choices'])}."
        if limited := limits(field):
            said += f" {limited[0].upper()}{limited[1:]}."
        if is_secret(field):
            said += " Encrypted, never shown."
        lines.append(f"| {field.metadata['label']} | `{field.name}` | {default} | {said} |")
    return "\n".join(lines) + "\n"


def paces() -> str:
    """A Markdown table of the kinds that have a limit or make digests."""
    lines = ["| kind | messages a minute | at once after a pause | digests |", "|---|---|---|---|"]
    for kind in sorted(sinks.kinds().values(), key=lambda kind: kind.label):
        if kind.pace or kind.digests:
            limit = f"{kind.pace.per_minute} | {kind.pace.burst}" if kind.pace else "no limit | "
            lines.append(f"| {kind.label} | {limit} | {'yes' if kind.digests else 'no'} |")
    return "\n".join(lines) + "\n"


def section(kind: type[Sender]) -> str:
    """A first section about a kind: what its class says of itself, and its options."""
    return f"## {kind.label}\n\n{inspect.getdoc(kind)}\n\n<!-- options: {kind.kind} -->\n<!-- end -->\n\n"


def complete(text: str) -> str:
    """The document with a section for every kind, and every table as it must be now."""
    there = {place["kind"] for place in PLACE.finditer(text)}
    added = "".join(section(kind) for name, kind in sorted(sinks.kinds().items()) if name not in there)
    text = text.replace(AFTER_THE_KINDS, added + AFTER_THE_KINDS)
    text = PACES.sub(lambda place: place[1] + paces(), text)
    return PLACE.sub(lambda place: place[1] + table(sinks.kinds()[place["kind"]].Config), text)
