"""What a catalog of fields is: names, types, documentation and how each is read from an event.

A catalog knows one kind of subject (an `Event`, or a stored alert) and nothing of the rule language; the
language asks it `find(name, argument)` and gets a `Bound` field: checked, and readable by one call.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from sensor.fields.kinds import Type

Extract = Callable[[Any], Any]
Binder = Callable[[str], Extract]
"""Given the argument as written, the function that reads the value; raises ValueError for a bad argument."""


MAX_NAME = 300
"""Characters; a longer name is looked up nowhere."""


class UnknownField(LookupError):
    """No such field, or an argument that it does not take; the text says which.

    `misspelt` is the name where there is no field of it; the catalog may know a near one.
    """

    def __init__(self, message: str, misspelt: str = "") -> None:
        super().__init__(message)
        self.misspelt = misspelt


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. Exactly one of `via`, `extract` and `bind` says how it is read; none of them: always missing."""

    name: str
    type: Type
    doc: str
    via: tuple[str, str] | None = None
    """(root, attribute): a plain attribute read, which the compiler writes in line; root is one of the catalog's."""
    extract: Extract | None = None
    bind: Binder | None = None
    argument: Literal["none", "optional", "required"] = "none"
    """Whether the field takes `[argument]`. With `dotted`, the argument is the rest of the name."""
    index: bool = False
    """The argument must be a whole number."""
    dotted: bool = False
    is_list: bool = False
    spread: Literal["", "any", "ends"] = ""
    """Several candidate values, compared as if one: `any` candidate may satisfy; `ends` are the two ends of a
    connection, where `!=` must hold for both."""
    transformable: bool = True
    """Upstream refuses transformers on, and right-hand use of, some fields."""
    filter_only: bool = False
    """Cannot be printed."""
    values: Callable[[str], str | None] | None = None
    """Checks a literal compared with this field: returns what is wrong with it, or None."""
    near: Callable[[str], str] | None = None
    """The accepted literal that looks most like a refused one."""
    deprecated: str = ""
    text: Callable[[Any], str] | None = None
    """How a value is printed, where `str` would not do."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A field with its argument, ready to be read."""

    field: Field
    argument: str | None
    read: Extract

    @property
    def spread(self) -> str:
        """How several candidate values are compared; with an argument there is one value."""
        return self.field.spread if self.argument is None else ""

    @property
    def is_list(self) -> bool:
        """Whether the value is a list; with an index it is the list of what that element gives."""
        return self.field.is_list

    @property
    def plain(self) -> tuple[str, str] | None:
        """(root, attribute) where the value is a plain attribute."""
        return self.field.via if self.argument is None else None

    @property
    def label(self) -> str:
        """As written in a rule: `proc.aname[2]`, `evt.arg.flags`."""
        if self.argument is None:
            return self.field.name
        return f"{self.field.name}.{self.argument}" if self.field.dotted else f"{self.field.name}[{self.argument}]"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Fields by name, for one kind of subject."""

    name: str
    fields: Mapping[str, Field]
    roots: Mapping[str, str] = field(default_factory=dict)
    """Short names for parts of the subject that `via` reads from, root → attribute: `{"proc": "proc"}`."""
    recorded: bool = False
    """Subjects have `given`, a dict of fields that were recorded and win over what would be computed."""
    type_field: str = ""
    """The field whose literals index rules: `evt.type`, where there is one."""

    def find(self, name: str, argument: str | None = None) -> Bound:
        """The field `name`, or the dotted field it is an instance of; raises UnknownField."""
        found = self.fields.get(name)
        if found is None or (found.dotted and argument is None):
            prefix, suffix = self._dotted(name) if len(name) <= MAX_NAME else (None, "")
            if prefix is None:
                raise UnknownField(f"unknown field '{name[:MAX_NAME]}'", name)
            found, argument = prefix, suffix
        return self._bind(found, argument)

    def _dotted(self, name: str) -> tuple[Field | None, str]:
        stem = name
        while "." in stem:
            stem = stem.rpartition(".")[0]
            found = self.fields.get(stem)
            if found is not None and found.dotted:
                return found, name[len(stem) + 1 :]
        return None, ""

    def _bind(self, found: Field, argument: str | None) -> Bound:
        if argument is None and found.argument == "required":
            raise UnknownField(f"field '{found.name}' needs an argument, as in {found.name}[…]")
        if argument is not None and found.argument == "none":
            raise UnknownField(f"field '{found.name}' takes no argument")
        if argument is not None and found.index and not argument.isdecimal():
            raise UnknownField(f"field '{found.name}' takes a number in brackets, not '{argument}'")
        try:
            return Bound(found, argument, self._reader(found, argument))
        except ValueError as error:
            raise UnknownField(str(error)) from None

    def _reader(self, found: Field, argument: str | None) -> Extract:
        if argument is not None and found.bind is not None:
            return found.bind(argument)
        if found.extract is not None:
            return found.extract
        if found.via is not None:
            return attribute_reader(self.roots[found.via[0]], found.via[1])
        return missing

    def absent(self, root: str) -> SimpleNamespace:
        """Stands in for a root that a subject does not have: every attribute that a field reads is missing."""
        names = [one.via[1] for one in self.fields.values() if one.via is not None and one.via[0] == root]
        return SimpleNamespace(**dict.fromkeys(names))

    def nearest(self, name: str) -> str:
        """The existing name that looks most like `name`, or an empty string."""
        close = difflib.get_close_matches(name[:80], self.fields, n=1, cutoff=0.7)
        return close[0] if close else ""

    def joined(self, name: str, *others: "Catalog") -> "Catalog":
        """A catalog with the fields of all; the first to have a name wins. Roots and flags are this one's."""
        fields: dict[str, Field] = {}
        for other in (self, *others):
            for key, value in other.fields.items():
                fields.setdefault(key, value)
        return Catalog(name, fields, self.roots, self.recorded, self.type_field)


def missing(subject: Any) -> None:
    """What a field without a source yields."""
    return None


def attribute_reader(root: str, attribute: str) -> Extract:
    """A function that reads `subject.root.attribute`, or `subject.attribute` where root is empty."""
    if not root:
        return lambda subject: getattr(subject, attribute, None)

    def read(subject: Any) -> Any:
        owner = getattr(subject, root, None)
        return None if owner is None else getattr(owner, attribute, None)

    return read


def by_name(fields: Iterable[Field]) -> dict[str, Field]:
    """Fields keyed by name; raises ValueError for a name that is there twice."""
    result: dict[str, Field] = {}
    for one in fields:
        if one.name in result:
            raise ValueError(f"field {one.name} is declared twice")
        result[one.name] = one
    return result
