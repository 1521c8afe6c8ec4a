"""Tables that add to alerts what the sensors do not know: namespace → team → channel.

A table is CSV: its first line names a field of alerts and then columns, and each further line a value of that field
and what it means. Conditions, `group_by` and inhibitions read `alert.lookup[TABLE.COLUMN]`; messages carry what was
found among the output fields. Reading costs one look into a dict for each table and alert.
"""

import csv
import difflib
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from routing.alert_fields import LOOKUP, AlertView
from routing.grouping import text_of
from routing.matching import Predicate, field_problem, reader
from routing.models import Alert, Lookup
from sensor.rules import ast, parser

log = structlog.get_logger(__name__)

LONGEST = 1024 * 1024
"""Bytes of a table."""
MOST_ROWS = 20_000
MOST_COLUMNS = 20
MOST_PROBLEMS = 20
"""That are told at once."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")


class LookupTableError(ValueError):
    """The table cannot be read; one line of text for each thing that is wrong, with the line it is in."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Table:
    """A table, ready to be asked."""

    field: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]
    """What is added to an alert, as `{"teams.channel": "#shop"}`, by the value of its field."""


class Tables:
    """The tables that there are, loaded once and asked for many alerts."""

    def __init__(self) -> None:
        self._tables = [(reader(table.field), table.rows) for table in load().values()]

    def enrich(self, alerts: Iterable[Alert]) -> None:
        """Give alerts what the tables say about them; conditions and messages read it there."""
        for alert in alerts if self._tables else ():
            if "lookups" not in alert.__dict__:
                alert.lookups = self.found(alert)

    def found(self, alert: AlertView) -> dict[str, str]:
        """What the tables say about one alert."""
        found: dict[str, str] = {}
        for read, rows in self._tables:
            if row := rows.get(text_of(read(alert))):
                found |= row
        return found


def asking(predicate: Predicate, condition: str) -> Callable[[Any], bool]:
    """The function of a condition over alerts as they are stored: they are asked for in the tables first."""
    if LOOKUP not in condition:
        return predicate
    tables = Tables()

    def asked(alert: Alert) -> bool:
        tables.enrich([alert])
        return predicate(alert)

    return asked


# Tables by name and digest of their text: what has not changed is not read again.
_known: dict[tuple[str, str], Table] = {}


def load() -> dict[str, Table]:
    """The stored tables by name. One that cannot be read any more is left out, and says so."""
    stored = list(Lookup.objects.values_list("name", "digest"))
    unread = [name for name, digest in stored if (name, digest) not in _known]
    for lookup in Lookup.objects.filter(name__in=unread) if unread else ():
        try:
            _known[lookup.name, lookup.digest] = parse(lookup.name, lookup.text)
        except LookupTableError as error:
            log.error("lookup_broken", lookup=lookup.name, problem=error.problems[0])
    for gone in _known.keys() - set(stored):
        _known.pop(gone, None)
    return {name: _known[name, digest] for name, digest in stored if (name, digest) in _known}


def digest_of(text: str) -> str:
    """What tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(name: str, text: str) -> Table:
    """The table of a name and its text. Raises LookupTableError with everything that is wrong, up to a limit."""
    if not _NAME.fullmatch(name):
        raise LookupTableError([f"{name!r} is not a name: small letters, digits, - and _, a letter first."])
    if len(text.encode()) > LONGEST:
        raise LookupTableError([f"The table is larger than {LONGEST // 1024} KiB."])
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    problems: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    header: list[str] = []
    try:
        for cells in lines:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if not header:
                header = cells
                problems += [f"Line {lines.line_num}: {problem}" for problem in _header_problems(header)]
            elif problem := _row_problem(cells, header, rows):
                problems.append(f"Line {lines.line_num}: {problem}")
            else:
                rows[cells[0]] = {
                    f"{name}.{column}": cell for column, cell in zip(header[1:], cells[1:], strict=True) if cell
                }
            if len(problems) >= MOST_PROBLEMS:
                break
    except csv.Error as error:
        problems.append(f"Line {lines.line_num}: {error}.")
    if not header:
        problems.append("The table is empty; its first line names a field and the columns, as k8s.ns.name,team.")
    if problems:
        raise LookupTableError(problems)
    return Table(header[0], tuple(header[1:]), rows)


def _header_problems(header: list[str]) -> Iterable[str]:
    field, *columns = header
    if field.startswith(LOOKUP):
        yield "a table cannot be asked by another one; name a field of the alert itself."
    elif wrong := field_problem(field):
        yield f"{wrong}; the first column is a field whose values follow."
    if not 1 <= len(columns) <= MOST_COLUMNS:
        yield f"there must be 1 to {MOST_COLUMNS} columns beside the field."
    for column in dict.fromkeys(columns):
        if not _COLUMN.fullmatch(column):
            yield f"{column!r} is not a column's name: letters, digits, - and _, a letter first."
        if columns.count(column) > 1:
            yield f"the column {column!r} is there twice."


def _row_problem(cells: list[str], header: list[str], rows: Mapping[str, object]) -> str:
    if len(cells) != len(header):
        return f"{len(cells)} cells, where the first line has {len(header)}."
    if cells[0] in rows:
        return f"{cells[0]!r} was there before."
    return f"more than {MOST_ROWS} rows are too many." if len(rows) >= MOST_ROWS else ""


def used_in(condition: str) -> list[str]:
    """What a condition reads of tables, as `teams.channel`. It must be readable."""
    if LOOKUP not in condition:
        return []
    pending: list[object] = [parser.parse(condition, priorities=True)]
    found: list[str] = []
    while pending:
        one = pending.pop()
        if isinstance(one, ast.Field):
            found += [one.argument] if one.name == LOOKUP and one.argument else []
        elif isinstance(one, ast.Node):
            pending += [getattr(one, name) for name in one.__dataclass_fields__ if name != "span"]
        elif isinstance(one, tuple):
            pending += one
    return found


def problem_in(condition: str) -> str:
    """What is wrong with the tables and columns that a readable condition names; empty where they are there."""
    names = used_in(condition)
    tables = load() if names else {}
    known = [f"{name}.{column}" for name, table in tables.items() for column in table.columns]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {LOOKUP}[{close[0]}]?" if close else ""
            return f"There is no lookup table with a column {name!r}{hint}"
    return ""
