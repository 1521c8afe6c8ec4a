"""How dear a check is and how often it holds, roughly: enough to put the cheap and selective ones first.

The order of operands never changes what a condition means: checks have no effects, cannot fail, and a missing
value makes a check false, not unknown.
"""

from collections.abc import Callable, Iterable

from sensor.rules import typed

_OPERATOR_COST = {
    **{"=": 1.0, "!=": 1.5, "in": 1.2, "intersects": 1.2, "<": 1.5, "<=": 1.5, ">": 1.5, ">=": 1.5},
    **{"startswith": 2.5, "endswith": 2.5, "contains": 3.0, "bstartswith": 2.5, "bcontains": 3.0, "icontains": 6.0},
}
_OPERATOR_HOLDS = {"=": 0.1, "!=": 0.85, "in": 0.2, "intersects": 0.2, "<": 0.5, "<=": 0.5, ">": 0.5, ">=": 0.7}


class Costs:
    """Estimates, remembered per node."""

    def __init__(self) -> None:
        self._known: dict[typed.Condition, tuple[float, float]] = {}

    def of(self, node: typed.Condition) -> tuple[float, float]:
        """(cost in units of one attribute comparison, chance that it holds)."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._estimate(node)
        return found

    def sorted(
        self, node: typed.All | typed.Any_, children: Iterable[typed.Condition] | None = None
    ) -> list[typed.Condition]:
        """The children, or these instead of them, best first: what decides soonest for the least."""
        stops: Callable[[float], float] = (
            (lambda holds: 1 - holds) if isinstance(node, typed.All) else (lambda holds: holds)
        )

        def rank(child: typed.Condition) -> float:
            cost, holds = self.of(child)
            return cost / max(stops(holds), 0.01)

        return sorted(node.children if children is None else children, key=rank)

    def _estimate(self, node: typed.Condition) -> tuple[float, float]:
        if isinstance(node, typed.Negate):
            cost, holds = self.of(node.child)
            return cost, 1 - holds
        if isinstance(node, typed.All | typed.Any_):
            for child in node.children:
                # Known before they are compared, so that a deep tree does not need a deep stack.
                self.of(child)
            return self._joined(node)
        if isinstance(node, typed.Has):
            return self._reading(node.left) + 1, 0.8
        if isinstance(node, typed.Versus):
            return self._reading(node.left) + self._reading(node.right) + 4, 0.3
        cost = _OPERATOR_COST.get(node.operator, 8.0) * (max(1, len(node.values)) if node.modifier else 1)
        return self._reading(node.left) + cost, _OPERATOR_HOLDS.get(node.operator, 0.15)

    def _joined(self, node: typed.All | typed.Any_) -> tuple[float, float]:
        total, reached = 0.0, 1.0
        for child in self.sorted(node):
            cost, holds = self.of(child)
            total += reached * cost
            reached *= holds if isinstance(node, typed.All) else 1 - holds
        return total, reached if isinstance(node, typed.All) else 1 - reached

    def _reading(self, operand: typed.Operand) -> float:
        if isinstance(operand, typed.Read):
            return 0.0 if operand.bound.plain is not None else 5.0
        if isinstance(operand, typed.Apply):
            return 5.0 + sum(self._reading(one) for one in operand.operands)
        return 0.0
