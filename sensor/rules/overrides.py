"""`override:` and `append:`: which keys of an item are to be appended to, which to be replaced."""

from collections.abc import Collection

from sensor.rules import decode
from sensor.rules.yaml_tree import Mapping, Scalar

APPEND_DEPRECATED = (
    "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead."
)
TOGETHER = (
    "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: append') "
    "under 'override' instead."
)

APPENDABLE = {
    "list": frozenset({"items"}),
    "macro": frozenset({"condition"}),
    "rule": frozenset({"condition", "output", "desc", "tags", "exceptions"}),
}
REPLACEABLE = {
    "list": frozenset({"items"}),
    "macro": frozenset({"condition"}),
    "rule": APPENDABLE["rule"]
    | {"priority", "capture", "capture_duration", "enabled", "warn_evttypes", "skip-if-unknown-filter", "count"},
}


def read(item: Mapping, kind: str, present: Collection[str]) -> dict[str, str]:
    """What is to be done to which key: `append` or `replace`; `append: true` is the old way to say so."""
    found: dict[str, str] = {}
    entry = item.entries.get("override")
    if entry is not None:
        override = decode.required(item, "override")
        if not isinstance(override, Mapping):
            raise decode.refused("Value of 'override' is not a map", override.span)
        for key, (name, value) in override.entries.items():
            operation = decode.scalar(value)
            _check(kind, key, name, operation)
            found[key] = operation.value
    if decode.optional(item, "append", decode.boolean, False):
        if entry is not None:
            raise decode.refused(TOGETHER, item.entries["append"][0].span)
        return dict.fromkeys(present, "append")
    for key, operation_name in found.items():
        if key not in item.entries:
            verb = "append override" if operation_name == "append" else "replace override"
            message = f"An {verb} for '{key}' was specified but '{key}' is not defined"
            raise decode.refused(message.replace("An replace", "A replace"), entry[1].span if entry else item.span)
    return found


def _check(kind: str, key: str, name: Scalar, operation: Scalar) -> None:
    if operation.value not in ("append", "replace"):
        raise decode.refused(
            f"Invalid override operation for key '{key}': '{operation.value}'. Allowed values are: append replace ",
            operation.span,
        )
    if operation.value == "append" and key not in APPENDABLE[kind]:
        if key in REPLACEABLE[kind]:
            message = f"Key '{key}' cannot be appended to, use 'replace' instead"
            raise decode.refused(message, name.span)
        raise decode.refused(f"Key '{key}' cannot be appended to", name.span)
    if operation.value == "replace" and key not in REPLACEABLE[kind]:
        raise decode.refused(f"Key '{key}' cannot be replaced", name.span)
