"""What is in a ruleset, in the shape of upstream's `-L` JSON: each rule, macro and list with what it is made of."""

from collections.abc import Iterator, Set
from typing import Any

from sensor.rules import ast, evttypes
from sensor.rules.definitions import ListDef, MacroDef
from sensor.rules.errors import RuleError
from sensor.rules.parser import parse_source
from sensor.rules.resolver import Resolver
from sensor.rules.ruleset import Rule, RuleSet


def describe(ruleset: RuleSet) -> dict[str, Any]:
    """Everything in a ruleset that loaded without errors."""
    resolver = Resolver(ruleset.definitions)
    definitions = ruleset.definitions
    return {
        "required_engine_version": definitions.required_engine_version or "0",
        "required_plugin_versions": [
            {
                "name": name,
                "version": version,
                "alternatives": [{"name": other, "version": least} for other, least in alternatives],
            }
            for name, version, alternatives in definitions.required_plugins
        ],
        "rules": [_rule(rule, definitions.lists.keys()) for rule in ruleset.rules],
        "macros": [_macro(one, resolver) for one in sorted(definitions.macros.values(), key=lambda one: one.order)],
        "lists": [_list(one, resolver) for one in sorted(definitions.lists.values(), key=lambda one: one.order)],
    }


def _rule(rule: Rule, lists: Set[str]) -> dict[str, Any]:
    definition = rule.definition
    written = parse_source(definition.condition)
    return {
        "info": {
            "name": rule.name,
            "condition": definition.condition.text,
            "priority": rule.priority.label,
            "output": definition.output.text,
            "description": rule.desc,
            "enabled": rule.enabled,
            "source": rule.source,
            "capture": definition.capture,
            "capture_duration": definition.capture_duration,
            "tags": rule.tags,
        },
        "details": {
            "macros": sorted(_names(written)),
            "lists": sorted(_words(written) & lists),
            "condition_operators": sorted(_operators(rule.condition)),
            "condition_fields": sorted(_fields(rule.condition)),
            "output_fields": sorted(set(rule.output.fields)),
            "extra_output_formatted_fields": {},
            "exception_fields": sorted({field.value for one in definition.exceptions for field in one.fields}),
            "exception_names": sorted(one.name for one in definition.exceptions),
            "exception_operators": sorted({comp.value for one in definition.exceptions for comp in one.comps}),
            "events": sorted(rule.event_types) if rule.event_types is not None else [],
            "condition_compiled": str(rule.condition),
            "output_compiled": rule.output.text,
            "plugins": [] if rule.source == "syscall" else [rule.source],
        },
    }


def _macro(macro: MacroDef, resolver: Resolver) -> dict[str, Any]:
    written, lists = parse_source(macro.condition), resolver.definitions.lists.keys()
    compiled = resolver.macro(macro)
    return {
        "info": {"name": macro.name, "condition": macro.condition.text},
        "details": {
            "used": macro.used,
            "macros": sorted(_names(written)),
            "lists": sorted(_words(written) & lists),
            "condition_operators": sorted(_operators(compiled)) if compiled else [],
            "condition_fields": sorted(_fields(compiled)) if compiled else [],
            "events": sorted(_events(compiled)) if compiled else [],
            "condition_compiled": str(compiled) if compiled else "",
            "plugins": [],
        },
    }


def _list(found: ListDef, resolver: Resolver) -> dict[str, Any]:
    names = resolver.definitions.lists
    return {
        "info": {"name": found.name, "items": [item.value for item in found.items]},
        "details": {
            "used": found.used,
            "lists": [item.value for item in found.items if item.value in names and item.value != found.name],
            "items_compiled": [value.text for value in resolver.values_of(found.name)],
            "plugins": [],
        },
    }


def _leaves(expr: ast.Expr) -> Iterator[ast.Expr]:
    below = ast.children(expr)
    if not below:
        yield expr
    for child in below:
        yield from _leaves(child)


def _names(expr: ast.Expr) -> set[str]:
    return {leaf.name for leaf in _leaves(expr) if isinstance(leaf, ast.Name)}


def _operators(expr: ast.Expr) -> set[str]:
    found = {leaf.operator for leaf in _leaves(expr) if isinstance(leaf, ast.Compare)}
    return found | {"exists" for leaf in _leaves(expr) if isinstance(leaf, ast.Exists)}


def _fields(expr: ast.Expr) -> set[str]:
    found: set[str] = set()
    for leaf in _leaves(expr):
        if isinstance(leaf, ast.Compare | ast.Exists):
            found |= _in_operand(leaf.left)
        if isinstance(leaf, ast.Compare) and isinstance(leaf.right, ast.FieldValue):
            found.add(str(leaf.right.field))
        elif isinstance(leaf, ast.Compare) and isinstance(leaf.right, ast.Transform):
            found |= _in_operand(leaf.right)
    return found


def _in_operand(operand: ast.Operand) -> set[str]:
    if isinstance(operand, ast.Field):
        return {str(operand)}
    inner = operand.operands if isinstance(operand, ast.Transform) else ()
    return {name for one in inner for name in _in_operand(one)}


def _words(expr: ast.Expr) -> set[str]:
    """Bare words on right-hand sides, which may be names of lists."""
    found: set[str] = set()
    for leaf in _leaves(expr):
        if isinstance(leaf, ast.Compare):
            if isinstance(leaf.right, ast.Items):
                found |= {one.text for one in leaf.right.items if isinstance(one, ast.Value) and not one.quoted}
            elif isinstance(leaf.right, ast.Name):
                found.add(leaf.right.name)
            elif isinstance(leaf.right, ast.Value) and not leaf.right.quoted:
                found.add(leaf.right.text)
    return found


def _events(expr: ast.Expr) -> frozenset[str]:
    try:
        return evttypes.inferred(expr).known or frozenset()
    except RuleError:
        return frozenset()
