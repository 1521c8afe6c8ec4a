"""What somebody who wrote something that is not in the grammar probably meant."""

import re

from sensor.rules.errors import RuleError
from sensor.rules.lexer import Cursor

WORDS_FOR_SYMBOLS = {"&&": "and", "||": "or", "!": "not", "AND": "and", "OR": "or", "NOT": "not"}
NO_VALUE = {
    "'": "the quote is never closed",
    '"': "the quote is never closed",
    "(": "use 'in' to compare with several values: in (a, b)",
}
"""By the character that stands where a value is expected."""

OTHER_OPERATORS = {
    "is": "did you mean '='?",
    "equals": "did you mean '='?",
    "like": "did you mean 'glob'?",
    "matches": "did you mean 'regex'?",
}
_WORDS = ("exists", "contains", "startswith", "endswith", "in", "intersects", "pmatch", "regex", "glob")
_OPERATORS = (
    "'exists', '<=', '<', '>=', '>', '==', '=', '!=', 'glob', 'iglob', 'contains', 'icontains', 'bcontains', "
    "'startswith', 'bstartswith', 'endswith', 'regex', 'intersects', 'in', 'pmatch'"
)


def no_operator(cursor: Cursor, left: str) -> RuleError:
    """What to say where a field has no operator behind it."""
    message = f"expected a valid check operator: one of {_OPERATORS}"
    rest = cursor.text[cursor.at : cursor.at + 100].split(maxsplit=1)
    word = rest[0] if rest else ""
    for operator in _WORDS:
        if word.lower() == operator != word:
            return cursor.error(message, hint=f"operators are lower case: {operator}")
        if len(operator) > 2 and word.startswith(operator):
            return cursor.error(message, hint=f"a blank is missing after {operator}")
    if word.lower() in ("and", "or", "") or word.startswith(")"):
        return cursor.error(message, hint=f"what should {left} be compared with?")
    return cursor.error(message, hint=OTHER_OPERATORS.get(word, ""))


def unexpected(cursor: Cursor, bare_end: int, expected: str = "") -> RuleError:
    """What to say about text that cannot stand here; the last unquoted value ended at `bare_end`."""
    before = cursor.text[max(0, cursor.at - 300) : cursor.at].split()
    token = before[-1][-40:] if before else ""
    message = expected or f"unexpected token after '{token}', expecting 'or', 'and'"
    return cursor.error(message, hint=_hint(cursor, bare_end))


def _hint(cursor: Cursor, bare_end: int) -> str:
    rest = cursor.text[cursor.at : cursor.at + 10]
    if rest.startswith(")"):
        return "this parenthesis was never opened"
    for symbol, word in WORDS_FOR_SYMBOLS.items():
        if rest.startswith(symbol) and not rest.startswith("!="):
            return f"did you mean '{word}'?"
    if rest.startswith(","):
        return "a list of values needs parentheses: in (a, b)"
    value_ends = len(cursor.text[: cursor.at].rstrip(" \t\b\r\n"))
    if value_ends == bare_end < cursor.at and rest[:1].isalnum():
        return "a value with blanks in it needs quotes"
    if cursor.text[cursor.at - 1 : cursor.at].isdigit() and re.match(r"[eE]\d", rest):
        return "write the number out, in decimal"
    if cursor.text[cursor.at - 1 : cursor.at].isdigit() and rest[:1].isalpha():
        return "there are no units; durations are in nanoseconds"
    return ""
