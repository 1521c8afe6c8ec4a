"""What follows from conditions that must hold together: that another one holds, or that they never can.

Only what is certain is told: an answer of False means that nothing is known.
"""

from sensor.fields.kinds import NUMBERS, STRINGS, Type
from sensor.rules import comparisons, typed

_COMPARABLE = STRINGS | NUMBERS | {Type.BOOL}
"""Types whose literals are kept as events' values are, so that a test can be asked about a literal."""
_PARTS = frozenset({"startswith", "endswith", "contains"})
MAX_ALTERNATIVES = 10_000
"""Pairs of an alternative and a condition beside it that are looked at; lists of alternatives can be long."""


def conjuncts(node: typed.Condition) -> frozenset[typed.Condition]:
    """What must hold for the condition to hold."""
    if isinstance(node, typed.All):
        return frozenset(one for child in node.children for one in conjuncts(child))
    return frozenset({node})


class Facts:
    """Conditions that hold together, and what follows from them."""

    def __init__(self, node: typed.Condition) -> None:
        self.conditions = conjuncts(node)
        self._about: dict[typed.Operand, list[typed.Test]] = {}
        for one in self.conditions:
            if isinstance(one, typed.Test) and _single(one) and one.values:
                self._about.setdefault(one.left, []).append(one)

    def imply(self, node: typed.Condition) -> bool:
        """Whether the condition certainly holds where these do."""
        if node in self.conditions:
            return True
        if isinstance(node, typed.All):
            return all(self.imply(child) for child in node.children)
        if isinstance(node, typed.Any_):
            return any(self.imply(child) for child in node.children)
        test = node.child if isinstance(node, typed.Negate) else node
        if not isinstance(test, typed.Test) or test.left not in self._about or not _single(test):
            return False
        return any(_follows(node, one) for one in self._about[test.left])


def _follows(node: typed.Condition, known: typed.Test) -> bool:
    """Whether `node`, about the same operand, holds for every value that satisfies `known`."""
    if known.operator in ("=", "in"):
        return all(_holds(node, value) for value in known.values)
    if not isinstance(node, typed.Test) or not {node.operator, known.operator} <= _PARTS:
        return False
    return node.operator in (known.operator, "contains") and _holds(node, known.values[0])


def _holds(node: typed.Condition, value: object) -> bool:
    """Whether a test, or its opposite, holds for a value."""
    if isinstance(node, typed.Negate):
        return isinstance(node.child, typed.Test) and not _holds(node.child, value)
    return isinstance(node, typed.Test) and comparisons.scalar(node.left.type, node.operator, node.values)(value)


def _single(test: typed.Test) -> bool:
    """Whether the test compares one value, of a type whose literals can be compared, with literals."""
    left = test.left
    plain = not left.is_list and not (isinstance(left, typed.Read) and left.bound.spread)
    return plain and not test.modifier and left.type in _COMPARABLE


def contradiction(wanted: frozenset[typed.Condition]) -> str:
    """Why these conditions cannot hold together, or an empty string."""
    found = _contradiction(wanted)
    if found:
        return found
    for node in wanted:
        if isinstance(node, typed.Any_) and len(node.children) * len(wanted) <= MAX_ALTERNATIVES:
            beside = wanted - {node}
            if all(_contradiction(beside | conjuncts(child)) for child in node.children):
                return "none of its alternatives can hold beside the rest"
    return ""


def _contradiction(wanted: frozenset[typed.Condition]) -> str:
    about: dict[typed.Operand, list[typed.Condition]] = {}
    for node in wanted:
        if isinstance(node, typed.Negate) and node.child in wanted:
            return "a condition and its opposite are both wanted"
        test = node.child if isinstance(node, typed.Negate) else node
        if not isinstance(test, typed.Test):
            continue
        if node is test and test.operator in ("in", "intersects", "pmatch") and not test.values:
            return f"{_label(test.left)} is compared with an empty list"
        if _single(test):
            about.setdefault(test.left, []).append(node)
    for operand, tests in about.items():
        why = _no_value_left(operand, tests)
        if why:
            return why
    return ""


def _no_value_left(operand: typed.Operand, tests: list[typed.Condition]) -> str:
    """Why no value of the operand satisfies all the tests, where they name the values it may have."""
    if _label(operand) == "evt.num" and any(_only(test) == (0,) for test in tests):
        return "evt.num is never 0"
    values = next((found for test in tests if (found := _only(test)) is not None), None)
    if values is None or any(all(_holds(test, value) for test in tests) for value in values):
        return ""
    return f"no value of {_label(operand)} satisfies all that is asked of it"


def _only(node: typed.Condition) -> tuple[object, ...] | None:
    """The values for which a test holds, where it lists them."""
    return node.values if isinstance(node, typed.Test) and node.operator in ("=", "in") else None


def _label(operand: typed.Operand) -> str:
    return operand.bound.label if isinstance(operand, typed.Read) else "a transformed field"
