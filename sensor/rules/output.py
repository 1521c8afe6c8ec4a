"""Output formats: `user=%user.name args=%proc.args[0]` → text and output_fields."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor.fields.catalog import MAX_NAME, Catalog, UnknownField
from sensor.fields.kinds import Type
from sensor.rules import ast, typed
from sensor.rules.checker import Checker, Failed
from sensor.rules.compiler import reader_of
from sensor.rules.errors import RuleError, Source, Span
from sensor.rules.parser import Parser
from sensor.rules.text import clean

OUTPUT_ERROR = "LOAD_ERR_COMPILE_OUTPUT"
MISSING = "<NA>"
MAX_TOKENS = 500

_WIDTH = re.compile(r"\d{0,4}")
_TIME_FIELDS = re.compile(r"evt\.(?:date)?time(?:\.|\Z)")


@dataclass(frozen=True, slots=True)
class Token:
    """A field or transformer in a format, and how wide it is printed; 0 is as wide as it is."""

    label: str
    operand: typed.Operand
    read: Callable[[Any], Any]
    width: int
    is_field: bool
    inner: "tuple[Token, ...]" = ()
    """What is inside a transformer; its fields are in `output_fields` too."""


class Output:
    """A compiled format."""

    def __init__(self, text: str, parts: list[str | Token], *, lenient: bool = True) -> None:
        self.text = text
        self.parts = parts
        self.lenient = lenient

    @property
    def tokens(self) -> list[Token]:
        """The fields and transformers, in order."""
        return [part for part in self.parts if isinstance(part, Token)]

    @property
    def fields(self) -> list[str]:
        """Names of the fields as written, without those inside transformers."""
        return [token.label for token in self.tokens if token.is_field]

    def render(self, event: Any) -> tuple[str, dict[str, Any]]:
        """The text, and the value of each field by its name: typed as Falco's JSON, None where it is missing."""
        words: list[str] = []
        values: dict[str, Any] = {}
        for part in self.parts:
            if isinstance(part, str):
                words.append(part)
                continue
            found = part.read(event)
            word = printed(part.operand, found)
            words.append(word.ljust(part.width)[: part.width] if part.width else word)
            if part.is_field:
                values[part.label] = json_value(part, found, event)
            for inner in part.inner:
                if inner.is_field:
                    values[inner.label] = json_value(inner, inner.read(event), event)
        return clean("".join(words)), values

    def resolved(self, event: Any) -> dict[str, str]:
        """Every field and transformer, and the fields inside transformers, as text; missing ones left out."""
        found: dict[str, str] = {}
        for token in self.tokens:
            for one in (token, *token.inner):
                value = one.read(event)
                if value is not None or self.lenient:
                    found[one.label] = printed(one.operand, value)
        return found

    def complete(self, event: Any) -> bool:
        """Whether every part has a value; a format that is not lenient prints nothing otherwise."""
        return all(token.read(event) is not None for token in self.tokens)


def _inner(node: ast.Operand, checker: Checker) -> list[Token]:
    """The fields and transformers inside a transformer."""
    found: list[Token] = []
    for one in node.operands if isinstance(node, ast.Transform) else node.items if isinstance(node, ast.Items) else ():
        if isinstance(one, ast.Field | ast.Transform):
            operand = checker.operand(one)
            found.append(Token(str(one), operand, reader_of(operand), 0, isinstance(one, ast.Field)))
        found += _inner(one, checker)
    return found


def printed(operand: typed.Operand, value: Any) -> str:
    """A value as text."""
    if value is None:
        return MISSING
    if isinstance(operand, typed.Read) and operand.bound.field.text is not None:
        return operand.bound.field.text(value)
    return _text(operand, value)


def _text(operand: typed.Operand, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    if isinstance(value, list | tuple):
        spread = isinstance(operand, typed.Read) and operand.bound.spread
        words = [_text(operand, one) for one in value]
        return " ".join(words) if spread else f"({','.join(words)})"
    return str(value)


def json_value(token: Token, value: Any, event: Any) -> Any:
    """A value as `output_fields` has it: numbers, booleans and lists as such, everything else as text."""
    if value is None:
        return None
    if _TIME_FIELDS.match(token.label):
        return event.time
    if isinstance(value, bool) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64):
        return value
    if isinstance(value, float):
        return int(value) if token.operand.type is Type.DOUBLE else value
    if token.operand.is_list and isinstance(value, list | tuple):
        return [one if isinstance(one, bool | int) else clean(_text(token.operand, one)) for one in value]
    return clean(printed(token.operand, value))


def compile_output(source: Source, catalog: Catalog, checker: Checker | None = None) -> Output:
    """The format as a renderer; raises RuleError for what is no field.

    A `checker` of the catalog may be shared by many outputs: it guesses at the first mistakes only.
    """
    text = source.text
    lenient = text.startswith("*")
    at = 1 if lenient else 0
    parts: list[str | Token] = []
    checker = checker or Checker(catalog)
    while True:
        percent = text.find("%", at)
        if percent < 0:
            parts.append(text[at:])
            break
        parts.append(text[at:percent])
        token, at = _token(source, percent, checker)
        parts.append(token)
        if len(parts) > 2 * MAX_TOKENS:
            raise _refused(source, percent, percent + 1, f"more than {MAX_TOKENS} fields in one output")
    return Output(text, [part for part in parts if part != ""], lenient=lenient)


def _refused(source: Source, start: int, end: int, message: str, hint: str = "") -> RuleError:
    return RuleError(OUTPUT_ERROR, message, Span(source, start, end), hint=hint)


def _token(source: Source, percent: int, checker: Checker) -> tuple[Token, int]:
    text = source.text
    width = _WIDTH.match(text, percent + 1)
    begin = width.end() if width else percent + 1
    number = text[percent + 1 : begin]
    if begin >= len(text):
        what = "a number" if number else "a %"
        message = f"invalid formatting syntax: formatting cannot end with {what}"
        raise _refused(source, percent, len(text), message)
    node, end = _longest(source, begin)
    if node is None:
        word = re.compile(r"[^\s,;)]{0,80}").match(text, begin)
        name = word.group() if word else ""
        raise _refused(source, percent, begin + len(name), f"invalid formatting token: unknown filter: {name}")
    try:
        operand, node, end = _checked(source, checker, node, begin, end)
    except Failed:
        error = checker.errors[-1]
        checker.errors.clear()
        message = f"invalid formatting token: unknown filter: {node} ({error.message})"
        raise _refused(source, percent, end, message, error.hint) from None
    if isinstance(operand, typed.Read) and operand.bound.field.filter_only:
        raise _refused(source, percent, end, f"'{node}' can be used in conditions only")
    is_field = isinstance(node, ast.Field)
    inner = tuple(_inner(node, checker))
    return Token(str(node), operand, reader_of(operand), int(number or 0), is_field, inner), end


def _longest(source: Source, begin: int) -> tuple[ast.Field | ast.Transform | None, int]:
    """The field or transformer that begins here, with its end."""
    parser = Parser(source)
    parser.cursor.at = begin
    try:
        found = parser.field() or parser.transform()
    except RuleError:
        # A bracket that opens nothing: the field is what stands before it.
        parser.cursor.at = begin
        name = parser.cursor.take(_FIELD_NAME)
        return (ast.Field(name, None, span=parser.cursor.span(begin)) if name else None), parser.cursor.at
    return found, parser.cursor.at


_FIELD_NAME = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*(?:\.[a-zA-Z]+[a-zA-Z0-9_]*)+")


def _checked(
    source: Source, checker: Checker, node: ast.Field | ast.Transform, begin: int, end: int
) -> tuple[typed.Operand, ast.Field | ast.Transform, int]:
    """The operand; where a field's name runs into following text, the longest name that exists."""
    if isinstance(node, ast.Transform):
        return checker.operand(node), node, end
    try:
        return checker.operand(node), node, end
    except Failed:
        for stop in range(begin + min(len(node.name), MAX_NAME), begin, -1):
            name = source.text[begin:stop]
            if _FIELD_NAME.fullmatch(name) and _exists(name, checker.catalog):
                checker.errors.clear()
                shorter = ast.Field(name, None, span=Span(source, begin, stop))
                return checker.operand(shorter), shorter, stop
        raise


def _exists(name: str, catalog: Catalog) -> bool:
    try:
        catalog.find(name)
    except UnknownField:
        return False
    return True
