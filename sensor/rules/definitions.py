"""What a rule file defines, as collected: lists, macros, rules with their exceptions. Texts still are texts."""

from dataclasses import dataclass, field

from sensor.alert import Priority
from sensor.rules.errors import Place, Source, Span
from sensor.rules.yaml_tree import Scalar


@dataclass(slots=True)
class ListDef:
    """A named list; `order` is where it was first defined, `visibility` where it was last changed."""

    name: str
    items: list[Scalar]
    span: Span
    order: int
    visibility: int
    used: bool = False


@dataclass(slots=True)
class MacroDef:
    """A named condition."""

    name: str
    condition: Source
    span: Span
    order: int
    visibility: int
    used: bool = False


@dataclass(slots=True)
class ExceptionDef:
    """An exception: fields, how each is compared, and the values for which the rule does not hold."""

    name: str
    span: Span
    fields: list[Scalar]
    comps: list[Scalar]
    values: "list[list[ExceptionValue]]"
    single: bool
    """`fields` was one name and not a list: then values are one list of alternatives."""


ExceptionValue = Scalar | list[Scalar]


@dataclass(slots=True)
class CountDef:
    """A correlation: so many matches within so long, by the values of some fields."""

    by: list[str]
    over_ns: int
    at_least: int
    distinct: str | None
    span: Span


@dataclass(slots=True)
class RuleDef:
    """A rule as defined, appended to and overridden so far."""

    name: str
    span: Span
    order: int
    condition: Source
    output: Source
    desc: str
    priority: Priority
    source: str = "syscall"
    tags: set[str] = field(default_factory=set)
    exceptions: list[ExceptionDef] = field(default_factory=list)
    enabled: bool = True
    warn_evttypes: bool = True
    skip_if_unknown_filter: bool = False
    capture: bool = False
    capture_duration: int = 0
    count: CountDef | None = None
    unknown_source: bool = False

    @property
    def place(self) -> Place:
        """The rule, as a step of the way to an error."""
        return Place("rule", self.name, self.span)


@dataclass(slots=True)
class Definitions:
    """Everything that the files of one load define, by name and in order."""

    lists: dict[str, ListDef] = field(default_factory=dict)
    macros: dict[str, MacroDef] = field(default_factory=dict)
    rules: dict[str, RuleDef] = field(default_factory=dict)
    required_engine_version: str = ""
    required_plugins: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Names of macros and lists whose definition has an error: using them is not a second one."""
