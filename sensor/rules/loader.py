"""Rule files → a ruleset, with everything that is wrong in them told at once."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from sensor.fields import ALL
from sensor.fields.catalog import Catalog
from sensor.rules import ast, evttypes, exceptions, lint, typed, warn
from sensor.rules.checker import Checker
from sensor.rules.correlate import counting
from sensor.rules.definitions import Definitions, ExceptionDef, RuleDef
from sensor.rules.errors import Place, RuleError, RuleWarning, Source, Span
from sensor.rules.output import compile_output
from sensor.rules.parser import parse_source
from sensor.rules.reader import Reader
from sensor.rules.resolver import Resolver
from sensor.rules.ruleset import Rule, RuleSet

UNKNOWN_FILTER = ("nonexistent field", "invalid formatting token", "unknown event type", "unknown filter:")
"""What an error says that `skip-if-unknown-filter` turns into a warning."""
MAX_ERRORS = 1000
Told = TypeVar("Told", bound=RuleError)


def load(files: Iterable[tuple[str, str | bytes]], catalog: Mapping[str, Catalog] = ALL) -> RuleSet:
    """Load files, given as (name, content), in order. Never raises for what is in them.

    `catalog` has the fields of each event source. All files are read before anything is compiled, so a rule may
    use a macro of a later file.
    """
    reader = Reader(catalog.keys())
    names = []
    for name, content in files:
        names.append(name)
        try:
            reader.file(Source(name, decoded_file(name, content)))
        except RuleError as error:
            reader.errors.append(error)
    loading = _Loading(reader.definitions, catalog)
    rules = loading.rules()
    errors = _distinct([*reader.errors, *loading.errors])[:MAX_ERRORS]
    return RuleSet(
        rules=[] if errors else rules,
        errors=errors,
        warnings=_distinct([*reader.warnings, *loading.warnings]),
        lints=[] if errors else lint.lints(reader.definitions, rules),
        definitions=reader.definitions,
        files=tuple(names),
    )


def decoded_file(name: str, content: str | bytes) -> str:
    """The text of a file, without a byte order mark; raises RuleError where it is not UTF-8."""
    if isinstance(content, str):
        return _valid(name, content.removeprefix("\ufeff"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        shown = Source(name, content.decode("utf-8", errors="replace"))
        at = len(content[: error.start].decode("utf-8", errors="replace"))
        raise RuleError("LOAD_ERR_FILE_READ", "the file is not UTF-8", Span(shown, at, at + 1)) from None


def _valid(name: str, content: str) -> str:
    """The text, where it is Unicode; half a surrogate pair is not."""
    try:
        content.encode()
    except UnicodeEncodeError as error:
        shown = Source(name, content.encode(errors="replace").decode())
        span = Span(shown, error.start, error.start + 1)
        raise RuleError("LOAD_ERR_FILE_READ", "the file is not valid Unicode", span) from None
    return content


def _distinct(found: list[Told]) -> list[Told]:
    """Each thing once: an error in a macro is met in every rule that uses it."""
    seen: dict[tuple[str, str, int, str], Told] = {}
    for one in found:
        position = one.position
        seen.setdefault((one.code, position.name, position.offset, one.message), one)
    return list(seen.values())


class _Loading:
    """Compiles the rules of one set of definitions."""

    def __init__(self, definitions: Definitions, catalog: Mapping[str, Catalog]) -> None:
        self.definitions = definitions
        self.catalog = catalog
        self.errors: list[RuleError] = []
        self.warnings: list[RuleWarning] = []
        self._resolver = Resolver(definitions)
        self._checkers: dict[str, Checker] = {}
        self._types: evttypes.Known = {}
        self._warned: dict[str, warn.Seen] = {}

    def rules(self) -> list[Rule]:
        """Every rule that is for a source we know, disabled ones too, in order of definition."""
        found = []
        for definition in sorted(self.definitions.rules.values(), key=lambda one: one.order):
            try:
                rule = self._rule(definition)
            except RuleError as error:
                self._failed(definition, [error])
                continue
            if rule is not None:
                found.append(rule)
        for macro in sorted(self.definitions.macros.values(), key=lambda one: one.order):
            self._resolver.macro(macro)
        self.errors += self._resolver.errors
        self.warnings += warn.unused(self.definitions)
        return found

    def _rule(self, definition: RuleDef) -> Rule | None:
        if definition.unknown_source:
            return None
        catalog = self.catalog[definition.source]
        errors: list[RuleError] = []
        condition, checked, output, count, types = None, None, None, None, evttypes.EVERY
        try:
            condition, checked = self._condition(definition, catalog, errors)
            types = evttypes.inferred(condition, self._types) if catalog.type_field and condition is not None else types
        except RuleError as error:
            errors.append(error)
        # A wrong condition says nothing about the rest, which is told as well.
        try:
            text = warn.without_container_info(definition.output)
            output = compile_output(text, catalog, self._checker(definition.source))
            count = counting(definition.count, catalog) if definition.count is not None else None
        except RuleError as error:
            errors.append(error)
        if errors or condition is None or checked is None or output is None:
            self._failed(definition, errors)
            return None
        seen = self._warned.setdefault(definition.source, {})
        self.warnings += warn.about_rule(definition, condition, output, types, catalog, seen)
        return Rule(definition, catalog, condition, checked, output, types.known, count)

    def _condition(
        self, definition: RuleDef, catalog: Catalog, errors: list[RuleError]
    ) -> tuple[ast.Expr | None, typed.Condition | None]:
        """The condition with its exceptions, resolved and checked; what the check finds is added to `errors`."""
        parsed = parse_source(definition.condition)
        for one in definition.exceptions:
            self._check_exception(definition, one)
        condition = self._resolver.condition(exceptions.excepted(parsed, definition.exceptions))
        if condition is None:
            return None, None
        checker = self._checker(definition.source)
        checked = checker.condition(condition)
        errors += checker.errors
        return condition, checked

    def _checker(self, source: str) -> Checker:
        """The checker of a source's conditions, without the errors of the one before."""
        checker = self._checkers.setdefault(source, Checker(self.catalog[source]))
        checker.errors.clear()
        return checker

    def _check_exception(self, definition: RuleDef, exception: ExceptionDef) -> None:
        for name in exception.fields:
            wrong = RuleError("LOAD_ERR_VALIDATE", f"'{name.value}' is not a supported filter field", name.span)
            try:
                found = parse_source(Source(name.span.source.name, f"{name.value} exists"))
            except RuleError:
                raise wrong from None
            checker = self._checker(definition.source)
            if not isinstance(found, ast.Exists) or checker.condition(found) is None:
                wrong.hint = checker.errors[0].hint if checker.errors else ""
                raise wrong

    def _failed(self, definition: RuleDef, errors: list[RuleError]) -> None:
        place = definition.place
        told = [self._placed(definition, place, error) for error in errors]
        skipped = [error for error in told if any(part in error.message for part in UNKNOWN_FILTER)]
        if definition.skip_if_unknown_filter and skipped and len(skipped) == len(told):
            self.warnings += [
                RuleWarning("LOAD_UNKNOWN_FILTER", error.message, error.span, hint=error.hint, places=error.places)
                for error in told
            ]
        else:
            self.errors += told

    def _placed(self, definition: RuleDef, rule: Place, error: RuleError) -> RuleError:
        file = definition.span.source
        content = Place("rules content", "", Span(file, 0, 1))
        steps = [content, rule]
        if error.code == "LOAD_ERR_COMPILE_CONDITION":
            source = definition.condition
            short = source.text if len(source.text) <= 20 else f"{source.text[:17]}..."
            steps.append(Place("rule condition", "", Span(source, 0, len(source.text))))
            steps.append(Place("condition expression", short, error.span))
        elif error.code == "LOAD_ERR_COMPILE_OUTPUT":
            steps.append(Place("rule output", "", Span(definition.output, 0, len(definition.output.text))))
            steps.append(Place("rule output expression", "", error.span))
        return error.within(*steps)
