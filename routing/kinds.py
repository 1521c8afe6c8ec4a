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


_WORDS = {"string": "a text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}


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


class OptionError(ValueError):
    """An option cannot be so; the text says what to change."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def defaults(options: type) -> dict[str, Any]:
    """The plain options that may be left out, with what they are then."""
    return {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(options)
        if not is_secret(field) and not needed(field)
    }


def known(options: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    """All plain options as they are in force: what is stored, else the default."""
    names = {field.name for field in dataclasses.fields(options) if not is_secret(field)}
    return {**defaults(options), **{name: value for name, value in stored.items() if name in names}}


def needed(field: dataclasses.Field[Any]) -> bool:
    """Whether an option must be given."""
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def filled(options: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """All plain options, from what a program or a file says. Raises OptionError for the first that cannot be."""
    fields = {field.name: field for field in dataclasses.fields(options)}
    for name in values:
        if name not in fields:
            known = ", ".join(sorted(name for name, field in fields.items() if not is_secret(field))) or "none"
            raise OptionError(name, f"There is no option {name}; there are: {known}.")
        if is_secret(fields[name]):
            raise OptionError(name, f"The option {name} is secret; it belongs to the secrets.")
    for name, field in fields.items():
        if needed(field) and not is_secret(field) and name not in values:
            raise OptionError(name, f"The option {name} is needed.")
    return {**defaults(options), **{name: _fitting(fields[name], value) for name, value in values.items()}}


def fitted(options: type | None, values: Any) -> Any:
    """As `filled` gives them; as they are where that cannot be."""
    try:
        return filled(options, values) if options and isinstance(values, Mapping) else values
    except OptionError:
        return values


def _fitting(field: dataclasses.Field[Any], value: Any) -> Any:
    """A value of the option's type; numbers may stand for texts, as YAML writes them."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if field.type is str and number:
        value = str(value)
    if field.type is float and number:
        value = float(value)
    if type(value) is not field.type:
        raise OptionError(field.name, f"The option {field.name} is {_WORDS[_JSON_TYPES[field.type]]}.")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise OptionError(field.name, f"The option {field.name} is one of: {', '.join(choices)}.")
    return value


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
