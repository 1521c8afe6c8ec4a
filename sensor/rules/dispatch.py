"""All rules for one event type as one function, so that each value is read at most once per event."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sensor.fields.catalog import Catalog
from sensor.rules import typed
from sensor.rules.compiler import Writer, compile_source
from sensor.rules.correlate import Window
from sensor.rules.costs import Costs
from sensor.rules.ruleset import Rule
from sensor.rules.simplify import Simplifier

Dispatch = Callable[[Any], list[Rule]]

WORTH_REMEMBERING = 1.5
"""Cost, in comparisons of one attribute, from which a shared condition's result is kept for the next rule."""


def dispatcher(
    rules: Sequence[Rule],
    catalog: Catalog,
    event_type: str,
    windows: Mapping[Rule, Window],
    *,
    first: bool,
    recorded: bool,
) -> Dispatch:
    """A function from an event of this type to the rules that match, in order; the first only, if so wanted."""
    simplifier = Simplifier(catalog.type_field, event_type)
    simplified = [(rule, simplifier.simplified(rule.checked)) for rule in rules]
    shared = shared_conditions(found for _, found in simplified if not isinstance(found, bool))
    writer = Writer(catalog, recorded=recorded, shared=shared)
    body: list[str] = []
    for rule, found in simplified:
        if found is False:
            continue
        name = writer.constant(rule)
        tests = [] if found is True else [writer.conjunction(found)]
        if rule in windows:
            tests.append(f"{writer.constant(windows[rule].reached)}(e)")
        test = f"if {' and '.join(tests)}: " if tests else ""
        if first:
            body.append(f"    {test}return [{name}]")
            if not tests:
                break
        else:
            body.append(f"    {test}found.append({name})")
    lines = ["def condition(e):", *writer.prelude()]
    if not first:
        lines.append("    found = []")
    lines += [*body, "    return []" if first else "    return found"]
    return compile_source("\n".join(lines), writer.constants)


def shared_conditions(conditions: Iterable[typed.Condition]) -> frozenset[typed.Condition]:
    """Parts that occur in more than one place and cost enough to be remembered: macros, mostly."""
    places: Counter[typed.Condition] = Counter()
    for condition in conditions:
        pending = [condition]
        while pending:
            one = pending.pop()
            places[one] += 1
            if places[one] == 1:
                pending.extend(_children(one))
    costs = Costs()
    return frozenset(one for one, number in places.items() if number > 1 and costs.of(one)[0] >= WORTH_REMEMBERING)


def _children(condition: typed.Condition) -> tuple[typed.Condition, ...]:
    if isinstance(condition, typed.All | typed.Any_):
        return condition.children
    return (condition.child,) if isinstance(condition, typed.Negate) else ()
