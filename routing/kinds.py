"""A kind is a file: the scan that finds kinds, and the options that describe one.

Sinks and response actions share one habit: a class with a `kind`, a `label` and a frozen dataclass of
options. The options' metadata makes the form, the docs table and the masking; nothing else lists them.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar


class Secret(str):
    """A string that does not show itself: `str()` gives it to code that must send it, `repr()` gives stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


def option(
    help_text: str,
    *,
    default: Any = dataclasses.MISSING,
    label: str = "",
    choices: tuple[str, ...] = (),
    multiline: bool = False,
    placeholder: str = "",
) -> Any:
    """A dataclass field of an options class, with what a form and a docs table say about it."""
    metadata = {
        "help": help_text,
        "label": label,
        "choices": choices,
        "multiline": multiline,
        "placeholder": placeholder,
    }
    return dataclasses.field(default=default, metadata=metadata)


def is_secret(field: dataclasses.Field[Any]) -> bool:
    """Whether an option must be encrypted, masked and never shown again."""
    return field.type is Secret


_JSON_TYPES: dict[Any, str] = {str: "string", Secret: "string", bool: "boolean", int: "integer", float: "number"}


def schema(options: type) -> dict[str, Any]:
    """An options class as JSON Schema (2020-12): for programs, what `forms.form_for` is for people.

    Raises KeyError for an option of a type that has no word there.
    """
    fields = dataclasses.fields(options)
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields if field.default is dataclasses.MISSING],
        "additionalProperties": False,
    }


def _property(field: dataclasses.Field[Any]) -> dict[str, Any]:
    said = field.metadata
    found: dict[str, Any] = {"title": said["label"], "description": said["help"], "type": _JSON_TYPES[field.type]}
    if said["choices"]:
        found["enum"] = list(said["choices"])
    if is_secret(field):
        # It can be set and is never given back.
        found["writeOnly"] = True
    elif field.default is not dataclasses.MISSING:
        found["default"] = field.default
    return found


Options = TypeVar("Options")


def build(options: type[Options], values: Mapping[str, Any]) -> Options:
    """The options object from stored values; unknown keys are left out, so that a removed option does no harm."""
    fields = dataclasses.fields(options)  # type: ignore[arg-type]
    known = {
        field.name: Secret(values[field.name]) if is_secret(field) else values[field.name]
        for field in fields
        if field.name in values
    }
    return options(**known)


Kind = TypeVar("Kind")


def scan(package: ModuleType, base: type[Kind]) -> dict[str, type[Kind]]:
    """Every kind in `package`, by its `kind`: the classes below `base` that name one.

    Raises ImportError where a file cannot be loaded and ValueError where two files claim one kind.
    """
    found: dict[str, type[Kind]] = {}
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        for value in vars(module).values():
            if not isinstance(value, type) or not issubclass(value, base) or value.__module__ != module.__name__:
                continue
            kind = value.__dict__.get("kind")
            if kind is None:
                continue
            if kind in found:
                raise ValueError(f"{module.__name__} and {found[kind].__module__} both claim the kind {kind!r}")
            found[kind] = value
    return found
