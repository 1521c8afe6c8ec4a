"""Rule files → definitions: which items there are, what they define, append to or override."""

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import NoReturn, TypeVar

from sensor.alert import Priority
from sensor.rules import decode, overrides, rule_keys
from sensor.rules.definitions import Definitions, ListDef, MacroDef, RuleDef
from sensor.rules.errors import Place, RuleError, RuleWarning, Source, Span
from sensor.rules.yaml_tree import Mapping, Node, Scalar, Sequence, appended, documents, text_of, trimmed_text_of

ENGINE_VERSION = (0, 62, 0)
INVALID = "LOAD_ERR_VALIDATE"
Value = TypeVar("Value")
DEPRECATED = "LOAD_DEPRECATED_ITEM"
ENABLED_DEPRECATED = (
    "The standalone 'enabled' key usage is deprecated. The correct approach requires also a 'replace' entry under "
    "the 'override' key (i.e. 'enabled: replace')."
)
KINDS = ("required_engine_version", "required_plugin_versions", "list", "macro", "rule")
KEYS = {
    "required_engine_version": frozenset({"required_engine_version"}),
    "required_plugin_versions": frozenset({"required_plugin_versions"}),
    "list": frozenset({"list", "items", "append", "override"}),
    "macro": frozenset({"macro", "condition", "append", "override"}),
    "rule": frozenset(
        {"rule", "condition", "output", "desc", "priority", "source", "enabled", "capture", "capture_duration"}
        | {"warn_evttypes", "skip-if-unknown-filter", "tags", "exceptions", "override", "append", "count"}
    ),
}
MACRO_NAME = re.compile(r"[a-zA-Z]+[a-zA-Z0-9_]*\Z")
LIST_NAME = re.compile(r"[^()\"'\s=,]+\Z")
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].{0,60})?\Z", re.ASCII)


class Reader:
    """Reads files one after the other into the same definitions."""

    def __init__(self, sources: Collection[str]) -> None:
        self.definitions = Definitions()
        self.errors: list[RuleError] = []
        self.warnings: list[RuleWarning] = []
        self._sources = sources
        self._next = 0
        self._place: tuple[Place, ...] = ()

    def file(self, source: Source) -> None:
        """Read one file. What is wrong with an item is collected, and the next item is read."""
        whole = Place("rules content", "", Span(source, 0, 1))
        self._place = (whole,)
        try:
            for document in documents(source):
                self._document(document, whole)
        except RuleError as error:
            self.errors.append(error.within(whole))

    def _document(self, document: Node | None, whole: Place) -> None:
        if document is None:
            return
        if isinstance(document, Scalar):
            raise decode.refused("Rules content is not yaml", document.span)
        if not isinstance(document, Sequence):
            hint = "each rule, macro and list begins with '- '"
            raise decode.refused("Rules content is not yaml array of objects", document.span, hint)
        for item in document.items:
            if isinstance(item, Scalar) and item.is_null:
                continue
            self._place = (whole, Place("rules content item", "", item.span))
            try:
                self._item(item)
            except RuleError as error:
                self.errors.append(error.within(*self._place))

    def _item(self, item: Node) -> None:
        if not isinstance(item, Mapping):
            raise decode.refused("Unexpected element type. Each element should be a yaml associative array.", item.span)
        kind = next((kind for kind in KINDS if kind in item.entries), None)
        if kind is None:
            self.warn("LOAD_UNKNOWN_ITEM", "Unknown top level item", item.span)
            return
        for key, (name, _) in item.entries.items():
            if key not in KEYS[kind]:
                self.warn("LOAD_UNKNOWN_KEY", f"Unknown key '{key}' in {kind} item", name.span)
        try:
            _READERS[kind](self, item)
        except RuleError:
            if kind in ("list", "macro") and isinstance(named := item.get(kind), Scalar):
                self.definitions.broken.add(named.value)
            raise

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        """Collect a warning."""
        self.warnings.append(RuleWarning(code, message, span, hint=hint, places=self._place))

    def _order(self) -> int:
        self._next += 1
        return self._next

    def _engine_version(self, item: Mapping) -> None:
        value = decode.required_scalar(item, "required_engine_version")
        match = _VERSION.match(value.value)
        if match is not None:
            wanted = (int(match[1]), int(match[2]), int(match[3]))
        elif value.value.isdecimal() and len(value.value) < 10:
            wanted = (0, int(value.value), 0)
        else:
            raise decode.refused(f"Unable to parse engine version '{value.value}'", value.span, "write it as 0.57.0")
        if wanted > ENGINE_VERSION:
            ours = ".".join(map(str, ENGINE_VERSION))
            message = f"Rules require engine version {value.value}, but engine version is {ours}"
            raise RuleError(INVALID, message, value.span)
        self.definitions.required_engine_version = ".".join(map(str, wanted))

    def _plugin_versions(self, item: Mapping) -> None:
        for entry in decode.sequence(decode.required(item, "required_plugin_versions")).items:
            name, version = _plugin(entry)
            others = entry.get("alternatives") if isinstance(entry, Mapping) else None
            alternatives = [] if others is None else [_plugin(one) for one in decode.sequence(others).items]
            self.definitions.required_plugins.append((name, version, alternatives))

    def _list(self, item: Mapping) -> None:
        name = decode.required_scalar(item, "list")
        self._place = (self._place[0], Place("list", name.value, item.span))
        items = [decode.scalar(one) if one.value else one for one in decode.scalars(decode.required(item, "items"))]
        if not LIST_NAME.match(name.value):
            self.warn(
                "LOAD_INVALID_LIST_NAME",
                f"List has an invalid name. List names should match a regular expression: '{LIST_NAME.pattern}'",
                name.span,
            )
        changes = self._overridden(item, "list", {"items"})
        known = self.definitions.lists.get(name.value)
        if "append" in changes.values():
            if known is None:
                self._nothing_to(name, "List uses 'append' or 'override.items: append' but no list by that name")
            known.items.extend(items)
            known.visibility = self._order()
        elif changes and known is None:
            self._nothing_to(name, "An 'override.items: replace' to a list was requested but no list by that name")
        else:
            order = self._order()
            first = known.order if known is not None else order
            self.definitions.lists[name.value] = ListDef(name.value, items, item.span, first, order)

    def _macro(self, item: Mapping) -> None:
        name = decode.required_scalar(item, "macro")
        self._place = (self._place[0], Place("macro", name.value, item.span))
        if not MACRO_NAME.match(name.value):
            self.warn(
                "LOAD_INVALID_MACRO_NAME",
                f"Macro has an invalid name. Macro names should match a regular expression: '{MACRO_NAME.pattern}'",
                name.span,
            )
        condition = text_of(decode.required_scalar(item, "condition"))
        changes = self._overridden(item, "macro", {"condition"})
        known = self.definitions.macros.get(name.value)
        if "append" in changes.values():
            if known is None:
                self._nothing_to(name, "Macro uses 'append' or 'override.condition: append' but no macro by that name")
            known.condition = appended(known.condition, condition)
            known.visibility = self._order()
        elif changes and known is None:
            self._nothing_to(
                name, "An 'override.condition: replace' to a macro was requested but no macro by that name"
            )
        else:
            order = self._order()
            first = known.order if known is not None else order
            self.definitions.macros[name.value] = MacroDef(name.value, condition, item.span, first, order)

    def _nothing_to(self, name: Scalar, message: str) -> NoReturn:
        raise RuleError(INVALID, f"{message} already exists", name.span)

    def _overridden(self, item: Mapping, kind: str, present: Collection[str]) -> dict[str, str]:
        """As `overrides.read`, with a warning about the old way to append."""
        if decode.optional(item, "append", decode.boolean, False):
            self.warn(DEPRECATED, overrides.APPEND_DEPRECATED, item.entries["append"][0].span)
        return overrides.read(item, kind, present)

    def _rule(self, item: Mapping) -> None:
        name = decode.required_scalar(item, "rule")
        self._place = (self._place[0], Place("rule", name.value, item.span))
        known = self.definitions.rules.get(name.value)
        source = item.get("source")
        explicit = source.value if isinstance(source, Scalar) and not source.is_null else ""
        if known is not None and explicit and explicit != known.source:
            raise RuleError(
                INVALID, "Rule has been re-defined with a different source", source.span if source else name.span
            )
        present = [key for key in ("condition", "exceptions") if key in item.entries]
        changes = self._overridden(item, "rule", present)
        if "append" in item.entries and not changes and decode.boolean(item.entries["append"][1]):
            raise RuleError(INVALID, "Appended rule must have exceptions or condition property", item.span)
        if changes:
            self._override_rule(item, name, known, changes)
        elif "enabled" in item.entries and not {"condition", "output", "desc", "priority"} & item.entries.keys():
            self._toggle(item, name, known)
        else:
            self._define_rule(item, name, known, explicit)

    def _toggle(self, item: Mapping, name: Scalar, known: RuleDef | None) -> None:
        self.warn(DEPRECATED, ENABLED_DEPRECATED, item.entries["enabled"][0].span)
        if known is None:
            message = "Rule has 'enabled' key but no rule by that name already exists"
            raise RuleError(INVALID, message, name.span)
        known.enabled = decode.boolean(decode.required(item, "enabled"))

    def _define_rule(self, item: Mapping, name: Scalar, known: RuleDef | None, source: str) -> None:
        errors: list[RuleError] = []
        found: dict[str, Node] = {}
        for key in ("condition", "output", "desc", "priority"):
            try:
                found[key] = decode.required(item, key)
                if key != "desc":
                    decode.scalar(found[key])
            except RuleError as error:
                errors.append(error)
        if errors:
            self.errors += [error.within(*self._place) for error in errors[1:]]
            raise errors[0]
        rule = RuleDef(
            name=name.value,
            span=item.span,
            order=known.order if known is not None else self._order(),
            condition=text_of(decode.scalar(found["condition"])),
            output=trimmed_text_of(decode.scalar(found["output"])),
            desc=rule_keys.description(found["desc"]),
            priority=self._or_instead(lambda: rule_keys.priority(found["priority"]), Priority.DEBUG),
            source=source or (known.source if known is not None else "syscall"),
        )
        for key in ("tags", "exceptions", *rule_keys.FLAGS):
            if decode.says_something(item, key):
                self._or_instead(partial(rule_keys.replace, rule, item, key, self.warnings), None)
        rule.unknown_source = rule.source not in self._sources
        if rule.unknown_source:
            place = item.get("source")
            self.warn(
                "LOAD_UNKNOWN_SOURCE",
                f"Unknown source {rule.source}, skipping",
                place.span if place is not None else item.span,
            )
        self.definitions.rules[name.value] = rule

    def _or_instead(self, read: Callable[[], Value], instead: Value) -> Value:
        """What `read` gives; where it is wrong, that is told and the reading goes on, to tell of more."""
        try:
            return read()
        except RuleError as error:
            self.errors.append(error.within(*self._place))
            return instead

    def _override_rule(self, item: Mapping, name: Scalar, known: RuleDef | None, changes: dict[str, str]) -> None:
        if "override" in item.entries:
            for key, (place, _) in item.entries.items():
                if key in overrides.REPLACEABLE["rule"] and key not in changes:
                    message = f"Unexpected key '{key}': no corresponding entry under 'override' is defined."
                    raise decode.refused(message, place.span)
        if known is None:
            if "append" in changes.values():
                message = "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists"
            else:
                message = "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists"
            raise RuleError(INVALID, message, name.span)
        for key, operation in changes.items():
            if operation == "append":
                rule_keys.append(known, item, key, self.warnings)
        for key, operation in changes.items():
            if operation == "replace":
                rule_keys.replace(known, item, key, self.warnings)


def _plugin(node: Node) -> tuple[str, str]:
    if not isinstance(node, Mapping):
        raise decode.refused("Plugin version entry is not a map", node.span)
    version = decode.required_scalar(node, "version")
    if not re.match(r"\d+\.\d+\.\d+", version.value, re.ASCII):
        raise decode.refused(f"Unable to parse plugin version '{version.value}'", version.span)
    return decode.required_scalar(node, "name").value, version.value


_READERS: dict[str, Callable[[Reader, Mapping], None]] = {
    "required_engine_version": Reader._engine_version,
    "required_plugin_versions": Reader._plugin_versions,
    "list": Reader._list,
    "macro": Reader._macro,
    "rule": Reader._rule,
}
