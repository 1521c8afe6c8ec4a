"""One of an alert's `output_fields`, read by the database as `alert_fields` reads it in Python."""

import math
from collections.abc import Sequence
from typing import Any

import orjson
from django.db import connection
from django.db.models import BigIntegerField, BooleanField, Field, Func, Q, TextField, Value
from django.db.models.functions import Cast, StrIndex
from django.db.models.lookups import GreaterThan
from django.db.models.sql.compiler import SQLCompiler

Sql = tuple[str, tuple[str | int, ...]]

_TEXT_OF = {
    "postgresql": """CASE jsonb_typeof({value})
        WHEN 'object' THEN NULL
        WHEN 'array' THEN array_to_string(ARRAY(SELECT one #>> '{{}}' FROM jsonb_array_elements({value}) AS one
            WHERE jsonb_typeof(one) NOT IN ('array', 'object')), ', ')
        ELSE {value} #>> '{{}}' END""",
    "sqlite": """CASE {type}
        WHEN 'text' THEN {value}
        WHEN 'integer' THEN CAST({value} AS TEXT)
        WHEN 'real' THEN CAST({value} AS TEXT)
        WHEN 'true' THEN 'true'
        WHEN 'false' THEN 'false'
        WHEN 'array' THEN coalesce((
            SELECT group_concat(CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE atom END, ', ')
            FROM json_each({fields}, {path}) WHERE type NOT IN ('array', 'object', 'null')), '') END""",
}
_NUMBER_OF = {
    "postgresql": """CASE jsonb_typeof({value})
        WHEN 'number' THEN ({value} #>> '{{}}')::numeric
        WHEN 'boolean' THEN CASE {value} #>> '{{}}' WHEN 'true' THEN 1::numeric ELSE 0::numeric END
        WHEN 'string' THEN CASE WHEN {value} #>> '{{}}' ~ {digits} THEN ({value} #>> '{{}}')::numeric END END""",
    "sqlite": """CASE {type}
        WHEN 'integer' THEN {value}
        WHEN 'real' THEN {value}
        WHEN 'true' THEN 1
        WHEN 'false' THEN 0
        WHEN 'text' THEN CASE WHEN {value} REGEXP {digits} THEN CAST({value} AS INTEGER) END END""",
}
_FLAG_OF = {
    "postgresql": """CASE WHEN jsonb_typeof({value}) IN ('string', 'boolean')
        THEN CASE {value} #>> '{{}}' WHEN 'true' THEN true WHEN 'false' THEN false END END""",
    "sqlite": """CASE {type}
        WHEN 'true' THEN 1
        WHEN 'false' THEN 0
        WHEN 'text' THEN CASE {value} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END END""",
}
DIGITS = r"^[+-]?[0-9]{1,18}\Z"
"""A number that was printed: as many digits as both databases keep."""

MOST_PARTS = 8
"""Of a text with commas, which may be a printed list, and of values asked for at once; more are not looked for so."""


def can_read(key: str) -> bool:
    """Whether both databases can be asked for this key; SQLite's paths know no escapes."""
    return not {'"', "\\", "\0"} & set(key)


class _Reading(Func):
    """Reads a key; null where it is missing, or no such value."""

    templates: dict[str, str]

    def __init__(self, key: str, output_field: "Field[Any, Any]") -> None:
        super().__init__("output_fields", output_field=output_field)
        self.key = key

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Sql:
        column, _ = compiler.compile(self.source_expressions[0])
        names = {"value": f"({column} -> %(key)s)", "digits": "%(digits)s"}
        return _positional(self.templates["postgresql"].format(**names), {"key": self.key, "digits": DIGITS})

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Sql:
        column, _ = compiler.compile(self.source_expressions[0])
        names = {
            "fields": column,
            "path": "%(path)s",
            "type": f"json_type({column}, %(path)s)",
            "value": f"json_extract({column}, %(path)s)",
            "digits": "%(digits)s",
        }
        return _positional(self.templates["sqlite"].format(**names), {"path": f'$."{self.key}"', "digits": DIGITS})


def _positional(named: str, values: dict[str, str]) -> Sql:
    """Named parameters as Django's compiler wants them: in the order in which they are used."""
    params: list[str] = []

    class Noting(dict[str, str]):
        def __missing__(self, name: str) -> str:
            params.append(values[name])
            return "%s"

    return named % Noting(), tuple(params)


class TextOf(_Reading):
    """As a text: of a list its plain members with commas between them."""

    templates = _TEXT_OF

    def __init__(self, key: str) -> None:
        super().__init__(key, TextField())


class NumberOf(_Reading):
    """As a number, also one that was printed."""

    templates = _NUMBER_OF

    def __init__(self, key: str) -> None:
        super().__init__(key, BigIntegerField())


class FlagOf(_Reading):
    """As true or false, also where it was printed."""

    templates = _FLAG_OF

    def __init__(self, key: str) -> None:
        super().__init__(key, BooleanField())


class AnyOf(Func):
    """Whether a list has one of some texts (SQLite; PostgreSQL has an operator for it)."""

    output_field = BooleanField()

    def __init__(self, column: str, texts: Sequence[str]) -> None:
        super().__init__(column)
        self.texts = orjson.dumps(texts).decode()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Sql:
        column, _ = compiler.compile(self.source_expressions[0])
        wanted = "SELECT value FROM json_each(%s)"
        return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value IN ({wanted}))", (self.texts,)  # noqa: S608


def near(key: str, values: tuple[str, ...]) -> Q:
    """What finds a field's values sooner than reading the field does, and perhaps finds more."""
    return _indexed(key, values) if connection.vendor == "postgresql" else _spelled(values)


def _spelled(values: tuple[str, ...]) -> Q:
    """Where a plain text is the value, the JSON has it somewhere: a look that costs a tenth of parsing it."""
    if len(values) > MOST_PARTS or not all(map(_is_spelled_as_it_is, values)):
        return Q()
    found = Q(pk__in=[])
    for value in values:
        found |= Q(GreaterThan(StrIndex(Cast("output_fields", TextField()), Value(value)), 0))
    return found


def _is_spelled_as_it_is(value: str) -> bool:
    """Not where JSON has escapes, nor where it may be a printed list."""
    return (
        value != "" and value.isascii() and value.isprintable() and not {'"', "\\"} & set(value) and ", " not in value
    )


def _indexed(key: str, values: tuple[str, ...]) -> Q:
    """What the index over whole `output_fields` can find: a value as a text, as whatever else prints so, and in lists.

    Of a list that prints so, the first member is all of it, or what is before one of its commas.
    """
    found = Q(pk__in=[])
    for value in values:
        parts = value.split(", ")
        if len(parts) > MOST_PARTS:
            return Q()
        beginnings = [", ".join(parts[:number]) for number in range(1, len(parts) + 1)]
        wanted = [*_printed_as(value), *([one] for text in [value, *beginnings[:-1]] for one in _printed_as(text))]
        for one in wanted if value else [*wanted, []]:
            found |= Q(output_fields__contains={key: one})
    return found


def _printed_as(text: str) -> list[Any]:
    """A text, and the number or flag that is printed so."""
    try:
        other = orjson.loads(text)
    except orjson.JSONDecodeError:
        return [text]
    return [text, other] if isinstance(other, int | float) and math.isfinite(other) else [text]
