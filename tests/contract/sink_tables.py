"""The tables of options in docs/sinks.md, made from each kind's `Config`.

`python -m tests.contract.sink_tables` writes them; a test says when they are stale.
"""

import dataclasses
import os
import re
from pathlib import Path

import django

from routing import sinks
from routing.kinds import is_secret

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
DOCS = Path(__file__).parents[2] / "docs" / "sinks.md"
PLACE = re.compile(r"(<!-- options: (?P<kind>\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)


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
        if is_secret(field):
            said += " Encrypted, never shown."
        lines.append(f"| {field.metadata['label']} | `{field.name}` | {default} | {said} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    """The document with every table as it must be now."""
    return PLACE.sub(lambda place: place[1] + table(sinks.kinds()[place["kind"]].Config), text)


if __name__ == "__main__":
    django.setup()
    DOCS.write_text(with_tables(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
