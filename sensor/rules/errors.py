"""Where something is in a rule file, and what is wrong there, said so that a person can act on it."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, Self

SNIPPET_WIDTH = 160
"""Longest part of a source line that is shown; a long one is cut around the position."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A text with a name: a file, or a text put together from pieces of files.

    `pieces`, where there are any, say for stretches of the text which file they came from and where each
    character stands in it, so that a position in a condition becomes one in the file.
    """

    name: str
    text: str
    pieces: "tuple[Piece, ...]" = field(default=(), repr=False)

    def origin(self, offset: int) -> "tuple[Source, int]":
        """The file a character came from, and its offset there."""
        if not self.pieces:
            return self, offset
        piece = next((one for one in self.pieces if offset < one.end), self.pieces[-1])
        return piece.file.origin(piece.place(offset))

    def locate(self, offset: int) -> "Position":
        """The line and column of a character, in the file it came from."""
        file, at = self.origin(offset)
        starts = line_starts(file.text)
        line = bisect_right(starts, at) - 1
        return Position(file.name, line + 1, at - starts[line] + 1, at)

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its end."""
        starts = line_starts(self.text)
        if not 0 < number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")


class Piece(Protocol):
    """A stretch of a text that came from a file."""

    @property
    def file(self) -> Source:
        """The file."""

    @property
    def end(self) -> int:
        """Where the stretch ends in the text."""

    def place(self, offset: int) -> int:
        """Where a character of the text stands in the file."""


@lru_cache(maxsize=16)
def line_starts(text: str) -> list[int]:
    """Offsets at which lines start; CR, LF and CR LF all end a line."""
    return [0, *(end.end() for end in re.finditer(r"\r\n|\n|\r", text))]


@dataclass(frozen=True, slots=True)
class Position:
    """Line and column count from 1, the offset from 0."""

    name: str
    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source: where a node of a condition is written."""

    source: Source
    start: int
    end: int

    @property
    def position(self) -> Position:
        """Where it begins."""
        return self.source.locate(self.start)


@dataclass(frozen=True, slots=True)
class Place:
    """One step of the way to an error: `rule "X"`, then `rule condition`; as the verify JSON lists them."""

    item_type: str
    item_name: str
    span: Span


class RuleError(ValueError):
    """Something in a rule, macro, list or condition that cannot be accepted.

    `code` is upstream's (`LOAD_ERR_…`; `LOAD_…` for warnings), `message` the sentence without the position,
    `hint` a guess at what was meant (`did you mean proc.name?`), possibly empty. `line` and `column` count
    from 1; `snippet` is the source line with a caret under the place.
    """

    def __init__(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str = "",
        places: tuple[Place, ...] = (),
        subject: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.hint = hint
        self.places = places
        self.subject = subject
        """The field that a warning is about, where the warning is about one."""

    @property
    def position(self) -> Position:
        """Where it is."""
        return self.span.position

    @property
    def file(self) -> str:
        """The file's name, as given to `load`."""
        return self.position.name

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.position.line

    @property
    def column(self) -> int:
        """The column, from 1."""
        return self.position.column

    @property
    def snippet(self) -> str:
        """The source line and, under it, a caret line as long as the faulty part."""
        position = self.position
        text = self.span.source.origin(self.span.start)[0].line(position.line)
        length = max(1, min(self.span.end - self.span.start, len(text) - position.column + 1))
        shift = max(0, position.column - SNIPPET_WIDTH // 2) if len(text) > SNIPPET_WIDTH else 0
        shown = text[shift : shift + SNIPPET_WIDTH]
        pad = "".join("\t" if char == "\t" else " " for char in shown[: position.column - 1 - shift])
        return f"{shown}\n{pad}{'^' * min(length, SNIPPET_WIDTH)}"

    def within(self, *places: Place) -> Self:
        """The same error with the way to it written in front."""
        way = (*places, *self.places)
        return type(self)(self.code, self.message, self.span, hint=self.hint, places=way, subject=self.subject)

    def __str__(self) -> str:
        """The whole message as a person should see it, several lines."""
        position = self.position
        shown = "\n".join(f"    {line}" for line in self.snippet.split("\n"))
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{position.name}:{position.line}:{position.column}: {self.message} [{self.code}]\n{shown}{hint}"


class RuleWarning(RuleError):
    """Something that loads but is probably not meant; same shape as an error."""
