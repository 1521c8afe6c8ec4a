"""A kind is a file: the scan that finds kinds, and the options that describe one.

Sinks and response actions share one habit: a class with a `kind`, a `label` and a frozen dataclass of
options. The options' metadata makes the form, the docs table and the masking; nothing else lists them.
"""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any, TypeVar

Option = dataclasses.Field[Any]


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
    least: int | None = None,
    most: int | None = None,
    place: Callable[[Any], Collection[str]] | None = None,
) -> Any:
    """A dataclass field of an options class, with what a form and a docs table say about it.

    A number is between `least` and `most`. `place` is for an option that says where secrets go: it gives the places
    that a value leads to, and raises ValueError with what to write where that is none.
    """
    metadata = {
        "help": help_text,
        "label": label,
        "choices": choices,
        "multiline": multiline,
        "placeholder": placeholder,
        "least": least,
        "most": most,
        "place": place,
    }
    return dataclasses.field(default=default, metadata=metadata)


def is_secret(field: Option) -> bool:
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


def _property(field: Option) -> dict[str, Any]:
    said = field.metadata
    found: dict[str, Any] = {"title": said["label"], "description": said["help"], "type": _JSON_TYPES[field.type]}
    if said["choices"]:
        found["enum"] = list(said["choices"])
    limits = {"minimum": said["least"], "maximum": said["most"]}
    found |= {word: limit for word, limit in limits.items() if limit is not None}
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


def needed(field: Option) -> bool:
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
        if needed(field) and not is_secret(field) and values.get(name, "") == "":
            raise OptionError(name, f"The option {name} is needed.")
    # A text that was emptied is what it would be had it been left out.
    said = {name: _fitting(fields[name], value) for name, value in values.items() if value != ""}
    for name, value in said.items():
        if isinstance(value, str) and _SIGNS_IN.search(value):
            raise OptionError(name, f"Everybody here would see the user name and password in {name}: {_out(fields)}.")
    return {**defaults(options), **said}


# A name or password before the host of a URL.
_SIGNS_IN = re.compile(r"://[^\s/?#]*@")


def _out(fields: Mapping[str, Option]) -> str:
    """Where a password goes that was written into an address."""
    others = [name for name, field in fields.items() if name == "username" or is_secret(field)]
    return f"take them out, and use {', '.join(others)}" if others else "take them out"


def fitted(options: type | None, values: Any) -> Any:
    """As `filled` gives them; as they are where that cannot be."""
    try:
        return filled(options, values) if options and isinstance(values, Mapping) else values
    except OptionError:
        return values


def _fitting(field: Option, value: Any) -> Any:
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
    check(field, value)
    return value


def check(field: Option, value: Any) -> None:
    """Raises OptionError for a number beyond its limits, and an address that leads nowhere."""
    least, most = field.metadata["least"], field.metadata["most"]
    if (least is not None and value < least) or (most is not None and value > most):
        raise OptionError(field.name, f"The option {field.name} is {limits(field)}.")
    try:
        places(field, value)
    except ValueError as error:
        raise OptionError(field.name, f"{error}.") from None


def limits(field: Option) -> str:
    """The limits of a number in words; empty where it has none."""
    least, most = field.metadata["least"], field.metadata["most"]
    if least is None and most is None:
        return ""
    if most is None:
        return f"at least {least:,}"
    return f"at most {most:,}" if least is None else f"{least:,} to {most:,}"


def places(field: Option, value: Any) -> set[str]:
    """Where an option's value leads; nowhere for one that is no address. Raises ValueError."""
    place = field.metadata["place"]
    return set(place(value)) if place and value != "" else set()


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
