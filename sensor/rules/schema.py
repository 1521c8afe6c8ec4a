"""The shape of a rule file as upstream's JSON schema has it: stricter than what loads, so only ever a warning."""

from collections.abc import Callable
from collections.abc import Mapping as Keys

from sensor.rules.errors import RuleError, Source, Span
from sensor.rules.reader import KINDS
from sensor.rules.yaml_tree import Mapping, Node, Scalar, Sequence, documents

PRIORITIES = frozenset(
    ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "INFORMATIONAL", "DEBUG"]
)
_BOOLEANS = frozenset(["true", "false", "True", "False", "TRUE", "FALSE"])
Check = Callable[[Node], str]
"""What is wrong with a value, or an empty string."""


def warnings(source: Source) -> list[str]:
    """What the schema would refuse, each with its place; nothing for a file that is not even YAML."""
    found: list[str] = []
    try:
        for document in documents(source):
            if isinstance(document, Sequence):
                for item in document.items:
                    _item(item, found)
    except RuleError:
        return found
    return found


def _item(item: Node, found: list[str]) -> None:
    if not isinstance(item, Mapping):
        return
    kind = next((kind for kind in KINDS if kind in item.entries), None)
    if kind is None:
        found.append(_told(item.span, "an item is none of rule, macro, list and the two requirements"))
        return
    _object(item, _SCHEMAS[kind], kind, found)


def _object(item: Mapping, schema: Keys[str, Check], name: str, found: list[str]) -> None:
    for key, (place, value) in item.entries.items():
        check = schema.get(key)
        wrong = f"unexpected key '{key}' in {name}" if check is None else check(value)
        if wrong:
            found.append(_told(place.span, wrong if check is None else f"{name} {key}: {wrong}"))


def _told(span: Span, message: str) -> str:
    position = span.position
    return f"{position.line}:{position.column}: {message}"


def _text(node: Node) -> str:
    return "" if isinstance(node, Scalar) else "must be a string"


def _boolean(node: Node) -> str:
    plain = isinstance(node, Scalar) and node.plain and node.value in _BOOLEANS
    return "" if plain else "must be a boolean"


def _number(node: Node) -> str:
    plain = isinstance(node, Scalar) and node.plain and node.value.isdecimal()
    return "" if plain else "must be a number"


def _priority(node: Node) -> str:
    fits = isinstance(node, Scalar) and node.value in PRIORITIES
    return "" if fits else "must be one of the priorities in upper case"


def _texts(node: Node) -> str:
    if not isinstance(node, Sequence):
        return "must be a list"
    return "" if all(isinstance(one, Scalar) for one in node.items) else "must be a list of strings"


def _of(schema: Keys[str, Check], name: str) -> Check:
    """A list of objects."""

    def check(node: Node) -> str:
        if not isinstance(node, Sequence):
            return "must be a list"
        found: list[str] = []
        for one in node.items:
            if isinstance(one, Mapping):
                _object(one, schema, name, found)
            else:
                found.append("must be a list of objects")
        return "; ".join(found)

    return check


def _anything(node: Node) -> str:
    return ""


def _override(*keys: str) -> Check:
    def check(node: Node) -> str:
        if not isinstance(node, Mapping):
            return "must be an object"
        unknown = [key for key in node.entries if key not in keys]
        return f"unexpected key '{unknown[0]}'" if unknown else ""

    return check


_ALTERNATIVE: dict[str, Check] = {"name": _text, "version": _text}
_EXCEPTION: dict[str, Check] = {"name": _text, "fields": _anything, "comps": _anything, "values": _anything}
_OVERRIDDEN = ("condition", "output", "desc", "tags", "exceptions", "priority", "enabled", "capture")
_SCHEMAS: dict[str, dict[str, Check]] = {
    "required_engine_version": {"required_engine_version": _text},
    "required_plugin_versions": {
        "required_plugin_versions": _of(
            {**_ALTERNATIVE, "alternatives": _of(_ALTERNATIVE, "alternative")}, "plugin version"
        )
    },
    "list": {"list": _text, "items": _texts, "append": _boolean, "override": _override("items")},
    "macro": {"macro": _text, "condition": _text, "append": _boolean, "override": _override("condition")},
    "rule": {
        **dict.fromkeys(("rule", "condition", "output", "desc", "source"), _text),
        **dict.fromkeys(("enabled", "capture", "warn_evttypes", "skip-if-unknown-filter", "append"), _boolean),
        "capture_duration": _number,
        "priority": _priority,
        "tags": _texts,
        "exceptions": _of(_EXCEPTION, "exception"),
        "override": _override(*_OVERRIDDEN, "capture_duration", "warn_evttypes", "skip-if-unknown-filter", "count"),
        "count": _anything,
    },
}
