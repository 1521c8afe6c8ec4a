"""A condition, given the event's type: comparisons with `evt.type` are decided, and what they decide falls away."""

from sensor.rules import typed

Decided = typed.Condition | bool


class Simplifier:
    """Simplifies conditions for one event type; shared parts stay shared."""

    def __init__(self, type_field: str, event_type: str) -> None:
        self._field = type_field
        self._type = event_type
        self._known: dict[typed.Condition, Decided] = {}

    def simplified(self, node: typed.Condition) -> Decided:
        """The condition without comparisons of the type, or what it comes to."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._simplify(node)
        return found

    def _simplify(self, node: typed.Condition) -> Decided:
        if isinstance(node, typed.Negate):
            child = self.simplified(node.child)
            if isinstance(child, bool):
                return not child
            return node if child is node.child else typed.Negate(child)
        if isinstance(node, typed.All | typed.Any_):
            return self._joined(node)
        if isinstance(node, typed.Has):
            return True if self._is_type(node.left) else node
        if isinstance(node, typed.Test) and self._is_type(node.left) and not node.modifier:
            if node.operator in ("=", "in", "intersects"):
                return self._type in node.values
            if node.operator == "!=":
                return self._type not in node.values
        return node

    def _is_type(self, operand: typed.Operand) -> bool:
        return isinstance(operand, typed.Read) and operand.bound.label == self._field

    def _joined(self, node: typed.All | typed.Any_) -> Decided:
        ends = isinstance(node, typed.Any_)
        kept: list[typed.Condition] = []
        for child in node.children:
            found = self.simplified(child)
            if found is ends:
                return ends
            if not isinstance(found, bool):
                kept.append(found)
        kept = list(dict.fromkeys(kept))
        if not kept:
            return not ends
        if len(kept) == 1:
            return kept[0]
        return node if tuple(kept) == node.children else type(node)(tuple(kept))
