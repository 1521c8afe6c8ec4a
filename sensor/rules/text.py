"""Text operators at match time: case-blind search, globs, POSIX regular expressions, path prefixes.

No backtracking engine sees a pattern: a glob of plain text and `*` is matched by searching its pieces in
order, everything else goes to RE2.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

import re2

Test = Callable[[str], bool]

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UPPER = {lower: lower - 32 for lower in range(ord("a"), ord("z") + 1)}


def lower(text: str) -> str:
    """ASCII letters in lower case, as the C locale has it."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper(text: str) -> str:
    """ASCII letters in upper case."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def clean(text: str) -> str:
    """Text with what is not valid Unicode replaced by U+FFFD; the same object where nothing is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="surrogateescape").decode(errors="replace")
    return text


def _options(posix: bool, fold: bool = False) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.dot_nl = True
    options.posix_syntax = posix
    options.case_sensitive = not fold
    return options


def regex(pattern: str) -> Test:
    """A POSIX pattern that must match the whole text; raises ValueError where RE2 refuses it."""
    try:
        # In POSIX syntax RE2 takes ^ and $ for the ends of the text only if told that there is one line.
        options = _options(posix=True)
        options.one_line = True
        options.dot_nl = False
        compiled = re2.compile(clean(pattern), options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"invalid regular expression '{pattern}': {reason}") from None

    def test(text: str) -> bool:
        return compiled.fullmatch(clean(text)) is not None

    return test


@lru_cache(maxsize=4096)
def glob(pattern: str, fold: bool = False) -> Test:
    """fnmatch(3) without flags: `*` and `?` also match `/`; `[…]` and backslash are active."""
    if fold:
        pattern = lower(pattern)
    if any(char in pattern for char in "?[\\"):
        return _glob_by_regex(pattern, fold)
    pieces = pattern.split("*")
    if len(pieces) == 1:
        return (lambda text: lower(text) == pattern) if fold else (lambda text: text == pattern)
    test = _glob_by_pieces(pieces)
    return (lambda text: test(lower(text))) if fold else test


def _glob_by_pieces(pieces: list[str]) -> Test:
    first, *middle, last = pieces
    middle = [piece for piece in middle if piece]
    shortest = sum(map(len, pieces))
    tail = len(last)

    def test(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        start, end = len(first), len(text) - tail
        for piece in middle:
            found = text.find(piece, start, end)
            if found < 0:
                return False
            start = found + len(piece)
        return True

    return test


def _glob_by_regex(pattern: str, fold: bool) -> Test:
    compiled = re2.compile(glob_as_regex(pattern), _options(posix=False, fold=fold))

    def test(text: str) -> bool:
        return compiled.fullmatch(clean(text)) is not None

    return test


def glob_as_regex(pattern: str) -> str:
    """The RE2 pattern that matches what a glob matches; an unclosed bracket stands for itself, as in fnmatch."""
    pattern = clean(pattern)
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out.append(".*")
        elif char == "?":
            out.append(".")
        elif char == "\\" and at < len(pattern):
            out.append(re2.escape(pattern[at]))
            at += 1
        elif char == "[":
            inside, after = _bracket(pattern, at)
            out.append(inside)
            at = after
        else:
            out.append(re2.escape(char))
    return "".join(out)


def _bracket(pattern: str, at: int) -> tuple[str, int]:
    """A bracket expression whose content starts at `at`, and where it ends."""
    start = at
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    first = True
    while at < len(pattern) and (first or pattern[at] != "]"):
        first = False
        if pattern.startswith("[:", at) and (close := pattern.find(":]", at + 2)) > 0:
            name = pattern[at + 2 : close]
            if name in POSIX_CLASSES:
                members.append(f"[:{name}:]")
                at = close + 2
                continue
        low, at = _member(pattern, at)
        if pattern.startswith("-", at) and at + 1 < len(pattern) and pattern[at + 1] != "]":
            high, at = _member(pattern, at + 1)
            if low <= high:
                members.append(f"{re2.escape(low)}-{re2.escape(high)}")
        else:
            members.append(re2.escape(low))
    if at >= len(pattern):
        return re2.escape("["), start
    body = "".join(members)
    if not body:
        return ("." if negated else r"[^\x00-\x{10FFFF}]"), at + 1
    return f"[{'^' if negated else ''}{body}]", at + 1


POSIX_CLASSES = frozenset(
    ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"]
)


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return pattern[at + 1], at + 2
    return pattern[at], at + 1


class Prefixes:
    """`pmatch`: is one of these paths a prefix of the value, component by component?"""

    __slots__ = ("everything", "root")

    def __init__(self, paths: Iterable[str]) -> None:
        self.everything = False
        self.root = _Branch()
        for path in paths:
            parts = [part for part in path.split("/") if part]
            self.everything = self.everything or (not parts and bool(path))
            branch = self.root
            for part in parts:
                branch = branch.grow(part)
            branch.ends = bool(parts)

    def __call__(self, value: str) -> bool:
        """True when a path leads to `value` or to a directory above it."""
        if self.everything:
            return True
        here = [self.root]
        for part in value.split("/"):
            if not part:
                continue
            here = [branch for one in here for branch in one.step(part)]
            if not here:
                return False
            if any(branch.ends for branch in here):
                return True
        return False


class _Branch:
    """One component of the tree of paths."""

    __slots__ = ("ends", "globs", "names")

    def __init__(self) -> None:
        self.ends = False
        self.names: dict[str, _Branch] = {}
        self.globs: dict[str, tuple[Test, _Branch]] = {}

    def grow(self, part: str) -> "_Branch":
        if not any(char in part for char in "*?["):
            return self.names.setdefault(part, _Branch())
        return self.globs.setdefault(part, (glob(part), _Branch()))[1]

    def step(self, part: str) -> "list[_Branch]":
        found = [branch for test, branch in self.globs.values() if test(part)] if self.globs else []
        exact = self.names.get(part)
        if exact is not None:
            found.append(exact)
        return found
