"""A configuration file → what it says, with the place of every word, and everything that is wrong with its form."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from routing.configuration.sections import NOUNS, ORDER, ROUTES, SHAPES, SILENCES
from routing.faults import Fault
from routing.shapes import BranchShape, Shape, SinkShape, facts, said
from routing.simulation.drafts import placed
from sensor.rules import yaml_tree
from sensor.rules.errors import RuleError, Source, Span
from sensor.rules.loader import decoded_file

MOST_CHARACTERS = 64 << 20
"""Lookup tables may be large, and there may be many."""
IN_PLAIN_TEXT = (
    "A secret does not stand in a file. Write {env: NAME} or {file: PATH}, or leave it out, and the stored one stays."
)
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+(e[+-][0-9]+)?")


@dataclass(frozen=True, order=True)
class Problem:
    """Something that is wrong; the text says where, what, and what to do."""

    line: int
    column: int
    text: str


@dataclass(frozen=True)
class Written:
    """One thing that a file says: where, as `sinks.0`, and its facts."""

    path: str
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.facts["name"]).strip()


@dataclass
class Configuration:
    """What a file says. `sections` has those that are there, `broken` the names whose form is wrong."""

    source: Source
    root: yaml_tree.Node
    sections: dict[str, list[Written]] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, sentence: str, error: RuleError | None = None) -> None:
        """Note what is wrong at a place, as `sinks.0.kind`; in a condition `error` has the very place."""
        node, key, missing = _at(self.root, path)
        if error is not None and isinstance(node, yaml_tree.Scalar) and not missing:
            at = error.position.offset
            span = Span(yaml_tree.text_of(node), at, at + error.span.end - error.span.start)
            self.note(RuleError(error.code, error.message, span, hint=error.hint))
            return
        position = (key or node).span.position
        at_place = f"{position.name}:{position.line}:{position.column}"
        self.problems.append(Problem(position.line, position.column, f"{at_place}: {sentence}"))

    def note(self, error: RuleError) -> None:
        """Note an error that knows its place."""
        self.problems.append(Problem(error.line, error.column, str(error)))

    def line(self, path: str) -> int:
        """In which line something begins."""
        return _at(self.root, path)[0].span.position.line


def read(name: str, content: str | bytes) -> Configuration:
    """What a file says. Never raises for what is in it."""
    shown = content if isinstance(content, str) else content.decode(errors="replace")
    source = Source(name, shown)
    found = Configuration(source, yaml_tree.Scalar("", Span(source, 0, 0), plain=True))
    try:
        found.source = source = Source(name, decoded_file(name, content))
        documents = list(yaml_tree.documents(source, MOST_CHARACTERS))
    except RuleError as error:
        found.note(error)
        return found
    root = documents[0] if len(documents) == 1 else None
    if not isinstance(root, yaml_tree.Mapping):
        found.refuse("", f"A configuration is one document with the sections {', '.join(ORDER)}.")
        return found
    found.root = root
    for key, node in root.entries.values():
        if key.value in SHAPES:
            _section(found, key.value, node)
        else:
            found.refuse(key.value, f"There is no section {key.value}; there are: {', '.join(ORDER)}.")
    return found


def _section(found: Configuration, section: str, node: yaml_tree.Node) -> None:
    if not isinstance(node, yaml_tree.Sequence):
        found.refuse(section, f"The section {section} is a list.")
        return
    shapes: dict[int, Shape] = {}
    for number, item in enumerate(node.items):
        plain = plain_of(item)
        try:
            shapes[number] = SHAPES[section].model_validate(plain)
        except ValidationError as error:
            _refuse_form(found, section, f"{section}.{number}", error)
            found.broken.setdefault(section, []).extend(_names(plain))
    written = found.sections.setdefault(section, [])
    try:
        for one in _routes(found, shapes) if section == ROUTES else _others(found, section, shapes):
            written.append(one)
    except Fault as fault:
        found.refuse(fault.field, str(fault))
    if section != SILENCES:
        _check_names(found, section, written)


def _others(found: Configuration, section: str, shapes: Mapping[int, Shape]) -> Iterator[Written]:
    for number, shape in shapes.items():
        path = f"{section}.{number}"
        if isinstance(shape, SinkShape):
            for name in [name for name, value in shape.secrets.items() if isinstance(value, str)]:
                found.refuse(f"{path}.secrets.{name}", IN_PLAIN_TEXT)
                # Something stands there, so that it is not missed as well.
                shape.secrets[name] = _A_PLACE
        yield Written(path, facts(shape))


_A_PLACE = SinkShape.model_validate({"name": "-", "kind": "-", "secrets": {"-": {"env": "A"}}}).secrets["-"]


def _routes(found: Configuration, shapes: Mapping[int, Shape]) -> Iterator[Written]:
    """Every route of the tree. Its position is None where the file says none."""
    tops = [shapes.get(number) for number in range(max(shapes, default=-1) + 1)]
    # What takes the place of a broken one keeps the numbers of the others.
    branches = [top if isinstance(top, BranchShape) else BranchShape.model_validate({"name": "-"}) for top in tops]
    for path, said_of_it in placed(branches):
        if int(path.split(".")[1]) in shapes:
            node, _, missing = _at(found.root, f"{path}.position")
            if missing or plain_of(node) is None:
                said_of_it["position"] = None
            yield Written(path, {**said_of_it, "name": said_of_it["name"].strip()})


def _check_names(found: Configuration, section: str, written: list[Written]) -> None:
    first: dict[str, str] = {}
    for one in written:
        if one.name in first:
            line = found.line(first[one.name])
            sentence = f"The {NOUNS[section]} {one.name!r} is there twice; the first is in line {line}."
            found.refuse(f"{one.path}.name", sentence)
        first.setdefault(one.name, one.path)


def _refuse_form(found: Configuration, section: str, path: str, error: ValidationError) -> None:
    for wrong in error.errors(include_url=False, include_input=False, include_context=False):
        sentence = said(wrong)
        if wrong["type"] == "extra_forbidden":
            name = str(wrong["loc"][-1])
            near = difflib.get_close_matches(name, SHAPES[section].model_fields, n=1)
            sentence = f"There is no member {name}{f'; did you mean {near[0]}?' if near else ''}"
        elif wrong["type"] == "missing":
            sentence = f"The member {wrong['loc'][-1]} is needed"
        elif wrong["loc"]:
            sentence = f"{wrong['loc'][-1]}: {sentence}" if isinstance(wrong["loc"][-1], str) else sentence
        found.refuse(
            ".".join([path, *map(str, wrong["loc"])]), sentence.rstrip(".?") + ("?" if "?" in sentence else ".")
        )


def _names(plain: Any) -> Iterator[str]:
    """The names that a thing and what is beneath it would have."""
    if isinstance(plain, dict):
        if isinstance(plain.get("name"), str | int):
            yield str(plain["name"])
        for beneath in plain["routes"] if isinstance(plain.get("routes"), list) else ():
            yield from _names(beneath)


def _at(root: yaml_tree.Node, path: str) -> tuple[yaml_tree.Node, yaml_tree.Node | None, bool]:
    """The deepest node along a path, its key where it has one, and whether the path goes on from there."""
    node: yaml_tree.Node = root
    key: yaml_tree.Node | None = None
    for part in filter(None, path.split(".")):
        if isinstance(node, yaml_tree.Mapping) and part in node.entries:
            key, node = node.entries[part]
        elif isinstance(node, yaml_tree.Sequence) and part.isdecimal() and int(part) < len(node.items):
            key, node = None, node.items[int(part)]
        else:
            return node, key, True
    return node, key, False


def plain_of(node: yaml_tree.Node) -> Any:
    """Its value, as YAML 1.2 reads it: `off` and `22:00` are texts, and so is a number that would not come back."""
    if isinstance(node, yaml_tree.Sequence):
        return [plain_of(item) for item in node.items]
    if isinstance(node, yaml_tree.Mapping):
        return {name: plain_of(value) for name, (_, value) in node.entries.items()}
    text = node.value
    if not node.plain:
        return text
    if node.is_null:
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) < 20 else text
    if (found := _FRACTION.fullmatch(text)) and (found[2] or repr(float(text)) == text):
        return float(text)
    return text
