"""What `check` reports: upstream's verify JSON, and the same as text for people."""

from collections.abc import Sequence
from typing import Any

from sensor.rules import schema
from sensor.rules.errors import RuleError, RuleWarning, Source
from sensor.rules.loader import decoded_file, load
from sensor.rules.ruleset import RuleSet

ERRORS = {
    "LOAD_ERR_FILE_READ": "File read error",
    "LOAD_ERR_YAML_PARSE": "YAML parse error",
    "LOAD_ERR_YAML_VALIDATE": "Error validating internal structure of YAML file",
    "LOAD_ERR_COMPILE_CONDITION": "Error compiling condition",
    "LOAD_ERR_COMPILE_OUTPUT": "Error compiling output",
    "LOAD_ERR_VALIDATE": "Error validating rule/macro/list/exception objects",
    "LOAD_ERR_EXTENSION": "Error in extension item",
}
WARNINGS = {
    "LOAD_UNKNOWN_SOURCE": "The rule is for an event source that is not known here, and is skipped.",
    "LOAD_UNSAFE_NA_CHECK": "A field is compared with <NA>, which a missing field is not.",
    "LOAD_NO_EVTTYPE": "The condition does not say which event types it is about, so it is asked about very many.",
    "LOAD_UNKNOWN_FILTER": "A field or event type is not known, and the rule says to skip it then.",
    "LOAD_UNUSED_MACRO": "Nothing uses the macro.",
    "LOAD_UNUSED_LIST": "Nothing uses the list.",
    "LOAD_UNKNOWN_ITEM": "An item is neither rule, macro, list nor requirement, and is ignored.",
    "LOAD_DEPRECATED_ITEM": "Something is used that is on its way out.",
    "LOAD_WARNING_EXTENSION": "A warning in an extension item.",
    "LOAD_APPEND_NO_VALUES": "An exception is appended to without values, which changes nothing.",
    "LOAD_EXCEPTION_NAME_NOT_UNIQUE": "Two exceptions of one rule have the same name; the last counts.",
    "LOAD_INVALID_MACRO_NAME": "No condition can refer to a macro of this name.",
    "LOAD_INVALID_LIST_NAME": "No condition can refer to a list of this name.",
    "LOAD_COMPILE_CONDITION": "The condition compiles but is probably not what was meant.",
    "LOAD_UNKNOWN_KEY": "A key is not known, and is ignored.",
}


def verify(files: Sequence[tuple[str, str | bytes]], ruleset: RuleSet | None = None) -> dict[str, Any]:
    """The result of loading files, as upstream's `-V` prints it; a lint is not part of that."""
    found = load(files) if ruleset is None else ruleset
    return {"falco_load_results": [_file(name, content, found) for name, content in files]}


def _file(name: str, content: str | bytes, ruleset: RuleSet) -> dict[str, Any]:
    errors = [one for one in ruleset.errors if one.file == name]
    try:
        told = schema.warnings(Source(name, decoded_file(name, content)))
    except RuleError:
        told = []
    return {
        "name": name,
        "successful": not errors,
        "schema_valid": not told,
        "schema_warnings": told,
        "errors": [_error(one, ruleset) for one in errors],
        "warnings": [_warning(one, ruleset) for one in ruleset.warnings if one.file == name],
    }


def _error(error: RuleError, ruleset: RuleSet) -> dict[str, Any]:
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return {
        "code": error.code,
        "codedesc": ERRORS.get(error.code, error.code),
        "message": message,
        "context": _context(error, ruleset),
    }


def _warning(warning: RuleWarning, ruleset: RuleSet) -> dict[str, Any]:
    found = {
        "code": warning.code,
        "codedesc": WARNINGS.get(warning.code, warning.code),
        "message": warning.message,
        "context": _context(warning, ruleset),
    }
    if warning.code == "LOAD_DEPRECATED_ITEM" and warning.subject:
        found["deprecated_field"] = warning.subject
    return found


def _context(error: RuleError, ruleset: RuleSet) -> dict[str, Any]:
    inside = macro_of(error, ruleset)
    locations = [
        {"item_type": place.item_type, "item_name": place.item_name, "position": _position(place.span.position)}
        for place in error.places
    ]
    return {"snippet": f"{error.snippet}\n{f'in macro {inside}' if inside else ''}", "locations": locations}


def _position(position: Any) -> dict[str, Any]:
    # Upstream counts lines and columns of a file from 0.
    return {
        "name": position.name,
        "line": position.line - 1,
        "column": position.column - 1,
        "offset": position.offset,
    }


def macro_of(error: RuleError, ruleset: RuleSet) -> str:
    """The macro in which an error is, where it is in one."""
    for macro in ruleset.definitions.macros.values():
        if macro.condition is error.span.source:
            return macro.name
    return ""


def report(ruleset: RuleSet, *, with_lints: bool = True) -> str:
    """One line for each file, then everything that is wrong with it, for a person."""
    lines: list[str] = []
    for name in ruleset.files:
        errors = [one for one in ruleset.errors if one.file == name]
        warnings = [one for one in ruleset.warnings if one.file == name]
        # What is not used is among upstream's warnings already.
        lints = [one for one in ruleset.lints if one.file == name and one.code != "LINT_UNUSED"] if with_lints else []
        lines.append(f"{name}: {'Invalid' if errors else 'Ok, with warnings' if warnings else 'Ok'}")
        lines += [str(one) for one in (*errors, *warnings, *lints)]
    total = len(ruleset.errors)
    if total:
        lines.append(f"{total} error{'s' * (total > 1)}")
    else:
        disabled = sum(not rule.enabled for rule in ruleset.rules)
        lines.append(f"{len(ruleset.rules)} rules" + (f", {disabled} of them disabled" if disabled else ""))
    return "\n".join(lines)
