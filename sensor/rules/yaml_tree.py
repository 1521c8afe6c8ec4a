"""YAML text → a tree in which every value knows where it stands.

Built from the parser's events rather than by a loader: no aliases are expanded, no types are guessed, and the
size and depth of what a file may contain are limits here, not properties of Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from sensor.rules import tabs
from sensor.rules.errors import RuleError, Source, Span

PARSE_ERROR = "LOAD_ERR_YAML_PARSE"
MAX_CHARACTERS = 4 << 20
MAX_DEPTH = 32
MAX_NODES = 200_000


MAX_GAP = 1000
"""Characters of the file between two of a scalar's value, where escapes and indentation are undone."""
MAX_PIECES = 1000
"""Texts that one condition or output is appended together from."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value, as text; `plain` where it was written without quotes, so that it may mean null or a number."""

    value: str
    span: Span
    plain: bool
    style: str = ""

    @property
    def is_null(self) -> bool:
        """Nothing, `~` or `null`."""
        return self.plain and self.value in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of values."""

    items: "list[Node]"
    span: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys with values, in the order of the file."""

    entries: "dict[str, tuple[Scalar, Node]]"
    span: Span

    def get(self, key: str) -> "Node | None":
        """The value of a key."""
        found = self.entries.get(key)
        return None if found is None else found[1]


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True, eq=False)
class ScalarPiece:
    """A scalar's text as a piece of the file: escapes, folding and indentation undone, so places are looked up."""

    file: Source
    scalar: Scalar
    start: int
    end: int

    def place(self, offset: int) -> int:
        """The character's offset in the file."""
        places = scalar_places(self.scalar)
        at = max(0, offset - self.start)
        if not places:
            return self.scalar.span.start
        return places[at] if at < len(places) else places[-1] + 1


@lru_cache(maxsize=256)
def scalar_places(scalar: Scalar) -> tuple[int, ...]:
    """For each character of a scalar's value, its offset in the file."""
    text = scalar.span.source.text
    at, end = scalar.span.start, scalar.span.end
    if scalar.style in ("|", ">"):
        at = text.find("\n", at, end) + 1 or at
    elif scalar.style:
        at += 1
    places = []
    for char in scalar.value:
        if not char.isspace():
            found = text.find(char, at, min(end, at + MAX_GAP))
            at = found if found >= 0 else at
        places.append(min(at, end))
        at += 1
    return tuple(places)


def text_of(scalar: Scalar) -> Source:
    """A scalar's value as a text whose characters know their place in the file."""
    piece = ScalarPiece(scalar.span.source, scalar, 0, len(scalar.value))
    return Source(scalar.span.source.name, scalar.value, (piece,))


def trimmed_text_of(scalar: Scalar) -> Source:
    """As `text_of`, without blanks at both ends."""
    lead = len(scalar.value) - len(scalar.value.lstrip())
    text = scalar.value.strip()
    return Source(scalar.span.source.name, text, (ScalarPiece(scalar.span.source, scalar, -lead, len(text)),))


def appended(first: Source, second: Source) -> Source:
    """Two texts with one blank between; raises RuleError where too many have been appended already."""
    if len(first.pieces) >= MAX_PIECES:
        message = f"more than {MAX_PIECES} texts are appended to each other"
        raise RuleError("LOAD_ERR_VALIDATE", message, Span(second, 0, len(second.text)))
    start = len(first.text) + 1
    moved = tuple(
        ScalarPiece(piece.file, piece.scalar, piece.start + start, piece.end + start)
        for piece in second.pieces
        if isinstance(piece, ScalarPiece)
    )
    return Source(first.name, f"{first.text} {second.text}", (*first.pieces, *moved))


def documents(source: Source, most: int = MAX_CHARACTERS) -> Iterator[Node | None]:
    """The documents of a file; an empty one is None. Raises RuleError where it is not YAML, or too much of it."""
    if len(source.text) > most:
        raise RuleError(PARSE_ERROR, f"YAML parse error: the file is larger than {most >> 20} MiB", Span(source, 0, 1))
    try:
        yield from _Builder(source).documents()
    except yaml.MarkedYAMLError as error:
        raise _parse_error(source, error) from None
    except yaml.YAMLError as error:
        raise RuleError(PARSE_ERROR, f"YAML parse error: {error}", Span(source, 0, 1)) from None


def _parse_error(source: Source, error: yaml.MarkedYAMLError) -> RuleError:
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and error.context == "while scanning a simple key":
        # The problem is noticed a line later than it is made.
        mark = error.context_mark
    at = min(mark.index if mark is not None else 0, max(0, len(source.text) - 1))
    problem = " ".join(part for part in (error.context, error.problem) if part)
    hint = "YAML is indented with blanks, not with tabs" if "\\t" in repr(source.text[at : at + 1]) else ""
    if source.text[at : at + 1] in ("%", "@", "`"):
        hint = f"a value that begins with {source.text[at]} needs quotes"
    if "mapping values are not allowed" in problem:
        hint = "a value with ': ' in it needs quotes, or a | and a new line"
    return RuleError(PARSE_ERROR, f"YAML parse error: {problem}", Span(source, at, at + 1), hint=hint)


class _Builder:
    """Builds nodes from events, one level of recursion for one level of the file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: Iterator[Any] = yaml.parse(tabs.as_blanks(source.text), Loader=yaml.CSafeLoader)
        self.nodes = 0
        self.anchors: dict[str, Node] = {}

    def documents(self) -> Iterator[Node | None]:
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors.clear()
                node = self.node(next(self.events), 0)
                yield None if isinstance(node, Scalar) and node.is_null else node

    def node(self, event: Any, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refused(event, f"the file has more than {MAX_NODES} values")
        if depth > MAX_DEPTH:
            raise self.refused(event, f"values are nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: Any) -> Node:
        """What an alias stands for, counted again each time, so that a bomb of them hits the limit."""
        found = self.anchors.get(event.anchor)
        if found is None:
            raise self.refused(event, f"the alias *{event.anchor} refers to nothing before it")
        self.nodes += size(found)
        if self.nodes > MAX_NODES:
            raise self.refused(event, f"aliases make the file larger than {MAX_NODES} values")
        return found

    def scalar(self, event: Any) -> Scalar:
        span = Span(self.source, _index(event.start_mark), _index(event.end_mark))
        return Scalar(event.value, span, bool(event.implicit[0]), event.style or "")

    def sequence(self, event: Any, depth: int) -> Sequence:
        items = []
        following: Any
        while not isinstance(following := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(following, depth + 1))
        return Sequence(items, Span(self.source, _index(event.start_mark), _index(following.end_mark)))

    def mapping(self, event: Any, depth: int) -> Mapping:
        entries: dict[str, tuple[Scalar, Node]] = {}
        following: Any
        while not isinstance(following := next(self.events), yaml.MappingEndEvent):
            key = self.node(following, depth + 1)
            if not isinstance(key, Scalar):
                raise self.refused(following, "a key is not a single value")
            if key.value in entries:
                raise self.refused(following, f"the key '{key.value}' is there twice")
            entries[key.value] = (key, self.node(next(self.events), depth + 1))
        return Mapping(entries, Span(self.source, _index(event.start_mark), _index(following.end_mark)))

    def refused(self, event: Any, message: str) -> RuleError:
        start = _index(event.start_mark)
        return RuleError(PARSE_ERROR, f"YAML parse error: {message}", Span(self.source, start, start + 1))


def _index(mark: Any) -> int:
    return int(mark.index)


def size(node: Node) -> int:
    """How many values are in a node."""
    if isinstance(node, Sequence):
        return 1 + sum(size(item) for item in node.items)
    if isinstance(node, Mapping):
        return 1 + sum(1 + size(value) for _, value in node.entries.values())
    return 1
