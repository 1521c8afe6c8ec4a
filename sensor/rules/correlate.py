"""Correlation: a rule with a `count:` block speaks only when its condition held often enough within a time.

Memory is bounded: at most `MAX_KEYS` combinations of the `by` fields and `MAX_ENTRIES` matches are remembered per
rule, the combinations unseen for longest forgotten first, and at most `at_least` matches (or distinct values) for each.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sensor.fields.catalog import Catalog
from sensor.rules.checker import Checker, Failed
from sensor.rules.compiler import reader_of
from sensor.rules.definitions import CountDef
from sensor.rules.errors import RuleError, Source
from sensor.rules.parser import Parser

MAX_KEYS = 10_000
MAX_ENTRIES = 200_000
"""About 30 MB."""
MAX_AT_LEAST = 10_000
INVALID = "LOAD_ERR_VALIDATE"

Reader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Counting:
    """A checked `count:` block: which values to read, how many matches are wanted, within how long."""

    by: tuple[Reader, ...]
    distinct: Reader | None
    at_least: int
    over_ns: int


def counting(count: CountDef, catalog: Catalog) -> Counting:
    """The block with its fields found; raises RuleError for a field that is none."""
    if count.at_least > MAX_AT_LEAST:
        raise RuleError(INVALID, f"'at_least' is at most {MAX_AT_LEAST}", count.span)
    distinct = None if count.distinct is None else _reader(count.distinct, count, catalog)
    by = tuple(_reader(name, count, catalog) for name in count.by)
    return Counting(by, distinct, count.at_least, count.over_ns)


def _reader(name: str, count: CountDef, catalog: Catalog) -> Reader:
    parser = Parser(Source(name, name))
    checker = Checker(catalog)
    try:
        found = parser.field()
        if found is None or parser.cursor.at < len(name):
            raise RuleError(INVALID, f"'{name}' is not a field to count by", count.span)
        return reader_of(checker.operand(found))
    except Failed:
        error = checker.errors[0]
        raise RuleError(INVALID, error.message, count.span, hint=error.hint) from None


class Window:
    """The recent matches of one rule, by the values of its `by` fields."""

    def __init__(self, count: Counting) -> None:
        self._count = count
        self._seen: OrderedDict[Any, dict[Any, int]] = OrderedDict()
        self._number = 0
        self._entries = 0

    def reached(self, event: Any) -> bool:
        """Count this match; True when it is the one that makes enough, after which counting begins again."""
        count = self._count
        key = tuple(_hashable(read(event)) for read in count.by)
        if count.distinct is not None:
            value = _hashable(count.distinct(event))
            if value is None:
                return False
        else:
            self._number += 1
            value = self._number
        seen = self._seen.setdefault(key, {})
        self._seen.move_to_end(key)
        self._entries -= len(seen)
        # Insertion order is nearly time order: a value seen again is moved to the end.
        seen.pop(value, None)
        seen[value] = event.time
        oldest = event.time - count.over_ns
        _drop(seen, takewhile(lambda one: seen[one] <= oldest, seen))
        if len(seen) >= count.at_least:
            _drop(seen, (one for one in seen if seen[one] <= oldest))
        self._entries += len(seen)
        if len(seen) >= count.at_least:
            self._forget(key)
            return True
        while len(self._seen) > MAX_KEYS or self._entries > MAX_ENTRIES:
            self._forget(next(iter(self._seen)))
        return False

    def _forget(self, key: Any) -> None:
        self._entries -= len(self._seen.pop(key))


def _drop(seen: dict[Any, int], old: Iterable[Any]) -> None:
    for one in list(old):
        del seen[one]


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
