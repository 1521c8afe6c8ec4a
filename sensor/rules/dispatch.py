"""All rules for one event type as one function, so that each value is read at most once per event."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sensor.fields.catalog import Catalog
from sensor.rules.compiler import Writer, compile_source
from sensor.rules.correlate import Window
from sensor.rules.ruleset import Rule
from sensor.rules.simplify import Simplifier

Dispatch = Callable[[Any], list[Rule]]


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
    writer = Writer(catalog, recorded=recorded)
    simplifier = Simplifier(catalog.type_field, event_type)
    body: list[str] = []
    for rule in rules:
        found = simplifier.simplified(rule.checked)
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
