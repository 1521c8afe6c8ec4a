"""Exceptions of rules: reading all their shapes, and the conditions they stand for."""

from sensor.rules import ast, decode, parser
from sensor.rules.definitions import ExceptionDef, ExceptionValue
from sensor.rules.errors import RuleError, RuleWarning, Source, Span
from sensor.rules.yaml_tree import Mapping, Node, Scalar, Sequence

MODIFIERS = ("oneof", "anyof", "allof")
TEXT_OPERATORS = frozenset(
    {"=", "==", "!=", "glob", "iglob", "contains", "icontains", "bcontains", "startswith", "bstartswith"}
    | {"endswith", "regex"}
)
LIST_OPERATORS = frozenset({"in", "intersects", "pmatch"})
OPERATORS = TEXT_OPERATORS | LIST_OPERATORS | {"exists", "<", "<=", ">", ">="}


def read(node: Node, *, partial: bool, warnings: list[RuleWarning]) -> list[ExceptionDef]:
    """The exceptions of one item; with `partial` (appending) an entry may leave out its fields."""
    found: dict[str, ExceptionDef] = {}
    for entry in decode.sequence(node).items:
        if not isinstance(entry, Mapping):
            raise decode.refused("Rule exception item is not a map", entry.span)
        one = _entry(entry, partial)
        if one.name in found:
            message = f"Multiple definitions of exception '{one.name}' in the same rule"
            warnings.append(RuleWarning("LOAD_EXCEPTION_NAME_NOT_UNIQUE", message, entry.span))
        found[one.name] = one
    return list(found.values())


def _entry(entry: Mapping, partial: bool) -> ExceptionDef:
    name = decode.required_scalar(entry, "name").value
    if partial and "fields" not in entry.entries:
        values = _loose_values(entry)
        return ExceptionDef(name, entry.span, [], [], values, single=False)
    fields_node = decode.required(entry, "fields")
    if isinstance(fields_node, Scalar):
        return _single(name, entry, fields_node)
    fields = decode.scalars(fields_node)
    comps_node = entry.get("comps")
    if comps_node is None:
        comps = [Scalar("=", field.span, True) for field in fields]
    elif isinstance(comps_node, Sequence):
        comps = [_operator(one) for one in decode.scalars(comps_node)]
    else:
        raise decode.refused("Fields and comps must both be lists", comps_node.span)
    if len(comps) != len(fields):
        raise decode.refused("Fields and comps lists must have equal length", entry.span)
    found = ExceptionDef(name, entry.span, fields, comps, [], single=False)
    found.values = read_values(found, entry.get("values"))
    return found


def _single(name: str, entry: Mapping, field: Scalar) -> ExceptionDef:
    comps_node = entry.get("comps")
    if comps_node is None:
        comp = Scalar("in", field.span, True)
    elif isinstance(comps_node, Scalar):
        comp = _operator(comps_node)
    else:
        raise decode.refused("Fields and comps must both be strings", comps_node.span)
    words = comp.value.split()
    if comp.value not in LIST_OPERATORS and not (len(words) == 2 and words[1] in MODIFIERS):
        raise decode.refused(
            "When fields is a single value, comps must be one of (in, pmatch, intersects) or a modifier operator "
            "(e.g. startswith oneof)",
            comp.span,
        )
    found = ExceptionDef(name, entry.span, [field], [comp], [], single=True)
    found.values = read_values(found, entry.get("values"))
    return found


def _operator(comp: Scalar) -> Scalar:
    words = comp.value.split()
    fits = len(words) == 1 and words[0] in OPERATORS
    modified = len(words) == 2 and words[0] in TEXT_OPERATORS and words[1] in MODIFIERS
    if not fits and not modified:
        raise RuleError("LOAD_ERR_VALIDATE", f"'{comp.value}' is not a supported comparison operator", comp.span)
    return Scalar(" ".join(words), comp.span, comp.plain)


def read_values(exception: ExceptionDef, node: Node | None) -> list[list[ExceptionValue]]:
    """The rows of values: one for each combination that is excepted."""
    if node is None or (isinstance(node, Scalar) and node.is_null):
        return []
    if exception.single:
        return [[value] for value in decode.scalars(node)]
    return [_row(exception, row) for row in decode.sequence(node).items]


def _row(exception: ExceptionDef, row: Node) -> list[ExceptionValue]:
    if not isinstance(row, Sequence):
        raise decode.refused("Exception values must be a list of lists", row.span, "one list of values per combination")
    if len(row.items) != len(exception.fields):
        raise decode.refused("Fields and values lists must have equal length", row.span)
    return [_value(value) for value in row.items]


def _value(node: Node) -> ExceptionValue:
    return decode.scalars(node) if isinstance(node, Sequence) else decode.scalar(node)


def _loose_values(entry: Mapping) -> list[list[ExceptionValue]]:
    """Values whose shape is checked when the exception they are for is known."""
    node = entry.get("values")
    if node is None:
        return []
    found: list[list[ExceptionValue]] = []
    for row in decode.sequence(node).items:
        found.append([_value(one) for one in row.items] if isinstance(row, Sequence) else [decode.scalar(row)])
    return found


def append(known: list[ExceptionDef], added: list[ExceptionDef], warnings: list[RuleWarning]) -> None:
    """Add values to exceptions that are there, and exceptions that are not."""
    by_name = {one.name: one for one in known}
    for new in added:
        old = by_name.get(new.name)
        if not new.values:
            message = f"Overriding/appending exception with no values: '{new.name}'"
            warnings.append(RuleWarning("LOAD_APPEND_NO_VALUES", message, new.span))
        if old is None:
            if not new.fields:
                raise RuleError(
                    "LOAD_ERR_VALIDATE",
                    f"Rule exception '{new.name}' is new and must have fields property with a list of fields",
                    new.span,
                )
            known.append(new)
            continue
        if new.fields:
            message = "Can not append exception fields to existing exception, only values"
            raise RuleError("LOAD_ERR_VALIDATE", message, new.span)
        for row in new.values:
            if len(row) != len(old.fields) or (old.single and isinstance(row[0], list)):
                raise decode.refused("Fields and values lists must have equal length", new.span)
            old.values.append(row)


def condition(exception: ExceptionDef) -> ast.Expr | None:
    """What the exception's values say, before the `not`; None without values."""
    if not exception.values:
        return None
    if exception.single:
        items = [row[0] for row in exception.values if isinstance(row[0], Scalar)]
        return _comparison(exception.fields[0], exception.comps[0].value, items)
    rows = [_all_of(exception, row) for row in exception.values]
    return rows[0] if len(rows) == 1 else ast.Or(tuple(rows), span=exception.span)


def _all_of(exception: ExceptionDef, row: list[ExceptionValue]) -> ast.Expr:
    checks = [
        _comparison(field, comp.value, value)
        for field, comp, value in zip(exception.fields, exception.comps, row, strict=True)
    ]
    return checks[0] if len(checks) == 1 else ast.And(tuple(checks), span=exception.span)


def _comparison(field: Scalar, comp: str, value: ExceptionValue) -> ast.Expr:
    """One check. Upstream puts the value's text into the condition; so may it be a list's name or a transformer."""
    takes_list = comp in LIST_OPERATORS or comp.endswith(MODIFIERS)
    if isinstance(value, list):
        text = f"({', '.join(_word(one) for one in value)})"
    elif takes_list and not value.value.startswith("("):
        text = f"({_word(value)})"
    else:
        text = _word(value)
    if comp == "exists":
        text = ""
    place = value if isinstance(value, Scalar) else (value[0] if value else field)
    return _parsed(f"{field.value} {comp} {text}", place, field)


def _word(value: Scalar) -> str:
    if not value.value:
        return '""'
    return ast.quoted(value.value) if " " in value.value and value.value[0] not in "\"'(" else value.value


def _parsed(text: str, place: Scalar, field: Scalar) -> ast.Expr:
    source = Source(place.span.source.name, text, (_Fixed(place.span.source, place.span, len(text)),))
    found = parser.parse_source(source)
    if isinstance(found, ast.Compare | ast.Exists):
        return found
    span = field.span if isinstance(found, ast.Name) else place.span
    raise RuleError("LOAD_ERR_COMPILE_CONDITION", f"'{text}' is not one comparison", span)


class _Fixed:
    """All of a text stands for one value of the file."""

    __slots__ = ("end", "file", "span")

    def __init__(self, file: Source, span: Span, end: int) -> None:
        self.file = file
        self.span = span
        self.end = end

    def place(self, offset: int) -> int:
        """Where the value begins."""
        return self.span.start


def excepted(base: ast.Expr, exceptions: list[ExceptionDef]) -> ast.Expr:
    """A rule's condition with `and not` each of its exceptions."""
    parts = [ast.Not(found, span=one.span) for one in exceptions if (found := condition(one)) is not None]
    return ast.And((base, *parts), span=base.span) if parts else base
