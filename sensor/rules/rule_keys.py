"""The keys of a rule: what each may hold, and how it is appended to or replaced."""

from collections.abc import Callable

from sensor.alert import Priority
from sensor.rules import decode, exceptions
from sensor.rules.definitions import CountDef, RuleDef
from sensor.rules.errors import RuleWarning
from sensor.rules.yaml_tree import Mapping, Node, Scalar, appended, text_of, trimmed_text_of


def append(rule: RuleDef, item: Mapping, key: str, warnings: list[RuleWarning]) -> None:
    """Append what an item says to a key of a rule; raises RuleError."""
    if key == "tags":
        rule.tags |= {tag.value for tag in decode.scalars(decode.required(item, key))}
    elif key == "exceptions":
        added = exceptions.read(decode.required(item, key), partial=True, warnings=warnings)
        exceptions.append(rule.exceptions, added, warnings)
    elif key == "desc":
        rule.desc = f"{rule.desc} {decode.required_scalar(item, key).value}"
    else:
        value = decode.required_scalar(item, key)
        if key == "condition":
            rule.condition = appended(rule.condition, text_of(value))
        else:
            rule.output = appended(rule.output, trimmed_text_of(value))


def replace(rule: RuleDef, item: Mapping, key: str, warnings: list[RuleWarning]) -> None:
    """Replace a key of a rule by what an item says; raises RuleError."""
    node = decode.required(item, key)
    if key == "condition":
        rule.condition = text_of(decode.scalar(node))
    elif key == "output":
        rule.output = trimmed_text_of(decode.scalar(node))
    elif key == "desc":
        rule.desc = description(node)
    elif key == "priority":
        rule.priority = priority(node)
    elif key == "tags":
        rule.tags = {tag.value for tag in decode.scalars(node)}
    elif key == "exceptions":
        rule.exceptions = exceptions.read(node, partial=False, warnings=warnings)
    else:
        FLAGS[key](rule, node)


def description(node: Node) -> str:
    """A description, which may be empty."""
    return node.value if isinstance(node, Scalar) else decode.scalar(node).value


def priority(node: Node) -> Priority:
    """A priority by its name in any case."""
    value = decode.scalar(node)
    try:
        return Priority.named(value.value)
    except ValueError as error:
        raise decode.refused("Invalid priority", value.span, str(error)) from None


def _enabled(rule: RuleDef, node: Node) -> None:
    rule.enabled = decode.boolean(node)


def _warn_evttypes(rule: RuleDef, node: Node) -> None:
    rule.warn_evttypes = decode.boolean(node)


def _skip(rule: RuleDef, node: Node) -> None:
    rule.skip_if_unknown_filter = decode.boolean(node)


def _capture(rule: RuleDef, node: Node) -> None:
    rule.capture = decode.boolean(node)


def _capture_duration(rule: RuleDef, node: Node) -> None:
    rule.capture_duration = decode.whole_number(node)


def _count(rule: RuleDef, node: Node) -> None:
    if not isinstance(node, Mapping):
        raise decode.refused("'count' is not a map", node.span, "it has by, over, at_least and perhaps distinct")
    for key, (name, _) in node.entries.items():
        if key not in ("by", "over", "at_least", "distinct"):
            raise decode.refused(f"Unknown key '{key}' in 'count'", name.span)
    by = node.get("by")
    fields = [] if by is None else [by] if isinstance(by, Scalar) else decode.scalars(by)
    least = decode.whole_number(decode.required(node, "at_least"))
    if least < 2:
        raise decode.refused("'at_least' must be 2 or more", decode.required(node, "at_least").span)
    distinct = decode.scalar(decode.required(node, "distinct")).value if "distinct" in node.entries else None
    over = decode.duration(decode.required(node, "over"))
    rule.count = CountDef([field.value for field in fields], over, least, distinct, node.span)


FLAGS: dict[str, Callable[[RuleDef, Node], None]] = {
    "enabled": _enabled,
    "warn_evttypes": _warn_evttypes,
    "skip-if-unknown-filter": _skip,
    "capture": _capture,
    "capture_duration": _capture_duration,
    "count": _count,
}
