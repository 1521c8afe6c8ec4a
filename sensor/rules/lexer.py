"""Reads the smallest pieces of a condition: blanks, names, numbers, literals, operators.

The language has no token stream of its own: what a piece of text is depends on where it stands (`in` is an
operator after a field and a value after `=`). So the parser asks for the piece it can take there, and the
cursor moves only when it gets one.
"""

import re

from sensor.rules import ast
from sensor.rules.errors import RuleError, Source, Span

COMPILE_ERROR = "LOAD_ERR_COMPILE_CONDITION"
MAX_LITERAL = 255
"""Bytes; upstream stores a literal in 256."""

BLANKS = re.compile(r"[ \t\b\r\n]*")
FIELD = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*(?:\.[a-zA-Z]+[a-zA-Z0-9_]*)+")
IDENTIFIER = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*")
BARE = re.compile(r"[^()\"'\s=,]+")
ARGUMENT = re.compile(r"[^\]\[\"'\s]+")
NUMBER = ast.NUMBER
NUMBER_OPERATOR = re.compile(r"<=|<|>=|>")
TEXT_OPERATOR = re.compile(
    r"==|=|!=|(?:glob|iglob|contains|icontains|bcontains|startswith|bstartswith|endswith|regex)(?=[ \t\b\r\n])"
)
LIST_OPERATOR = re.compile(r"intersects|in|pmatch")
MODIFIER = re.compile(r"(oneof|anyof|allof)[ \t\b\r\n]+(?=[(a-zA-Z])(?!(?:and|or|not)(?![a-zA-Z0-9_]))")
TRANSFORMER = re.compile(r"(tolower|toupper|b64|basename|len|join|concat|getopt)\(")

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "/": "/", " ": "\\"}


class Cursor:
    """A place in a condition's text that moves forward."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.at = 0

    def blanks(self) -> bool:
        """Skip blanks; True when there was one."""
        start = self.at
        match = BLANKS.match(self.text, start)
        self.at = match.end() if match else start
        return self.at > start

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """What matches here, moved past; or None, not moved."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def literally(self, text: str) -> bool:
        """Move past exactly this text."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def quoted(self) -> str | None:
        """A quoted literal, unescaped; None where there is none or it does not end."""
        delimiter = self.text[self.at : self.at + 1]
        if delimiter not in ("'", '"'):
            return None
        end = self.at
        while True:
            end = self.text.find(delimiter, end + 1)
            if end < 0:
                return None
            if self.text[end - 1] != "\\":
                break
        start, self.at = self.at, end + 1
        return self._unescaped(self.text[start + 1 : end], delimiter, start)

    def _unescaped(self, body: str, delimiter: str, start: int) -> str:
        if "\\" not in body:
            return body

        def one(match: re.Match[str]) -> str:
            char = match.group(1)
            if char == delimiter:
                return char
            if char not in _ESCAPED:
                offset = start + 1 + match.start()
                message, hint = f"unsupported string escape sequence: \\{char}", "a backslash itself is written \\\\"
                raise self.error(message, offset, offset + 2, hint)
            return _ESCAPED[char]

        return _ESCAPE.sub(one, body)

    def span(self, start: int) -> Span:
        """From `start` to here, without blanks at the end."""
        end = self.at
        while end > start and self.text[end - 1] in " \t\b\r\n":
            end -= 1
        return Span(self.source, start, end)

    def error(self, message: str, start: int | None = None, end: int | None = None, hint: str = "") -> RuleError:
        """An error at `start`, or at the piece of text that stands here."""
        begin = self.at if start is None else start
        if end is None:
            match = re.compile(r"\s*\S{1,40}").match(self.text, begin)
            end = match.end() if match and not self.text[begin : begin + 1].isspace() else begin + 1
        return RuleError(COMPILE_ERROR, message, Span(self.source, begin, end), hint=hint)
