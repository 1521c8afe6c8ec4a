"""What is stored → a configuration file: always the same text for the same things."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import yaml

from routing import actions, intervals, kinds, routes, sinks
from routing.configuration.quiet import facts_of, live
from routing.configuration.sections import DEFINED, ORDER, ROUTES, SHAPES, SILENCES
from routing.models import Route

Facts = dict[str, Any]

HEADER = "# Written by manage.py export, read by manage.py apply; docs/configuration.md says what it means.\n"
WIDTH = 110
_CLOCK = re.compile(r"[0-9]+(:[0-9]+)+")
KNOWN_ROUTES = Route.objects.select_related("parent").prefetch_related(*routes.NAMED, "steps__sinks")


def export(now: datetime) -> str:
    """Everything that is configured now. Secrets that are stored are named, not told."""
    found = {ROUTES: _tree(), SILENCES: _silences(now), **{name: _defined(name) for name in DEFINED}}
    return HEADER + "".join(f"\n{_section(name, found[name])}" for name in ORDER)


def item(section: str, facts: Mapping[str, Any]) -> str:
    """One thing as YAML, without what is so anyway."""
    return yaml.dump(short(section, facts), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)


def short(section: str, facts: Mapping[str, Any]) -> Facts:
    """Its facts without those that hold if nothing is said."""
    usual = {name: field.get_default(call_default_factory=True) for name, field in SHAPES[section].model_fields.items()}
    said = dict(facts)
    if section == "sinks" and (kind := sinks.kinds().get(said["kind"])):
        said["options"] = _other_than(kinds.defaults(kind.Config), said["options"])
    if section == "actions" and (responder := actions.kinds().get(said["kind"])):
        said["params"] = _other_than(kinds.defaults(responder.Params), said["params"])
    kept = {name: said[name] for name in usual if name in said and said[name] != usual[name]}
    return {name: value if name == ROUTES else _in_order(value) for name, value in kept.items()}


def _in_order(value: Any) -> Any:
    """The same with its members in one order; PostgreSQL gives them back in its own."""
    if isinstance(value, dict):
        order = {name: number for number, name in enumerate((*intervals.KEYS, "start_time", "end_time"))}
        names = sorted(value, key=lambda name: (order.get(name, len(order)), name))
        return {name: _in_order(value[name]) for name in names}
    return [_in_order(one) for one in value] if isinstance(value, list) else value


def _other_than(usual: Mapping[str, Any], options: Mapping[str, Any]) -> Facts:
    return {name: value for name, value in options.items() if name not in usual or value != usual[name]}


def _defined(section: str) -> list[Facts]:
    definition = DEFINED[section]
    found = [definition.facts_of(row) for row in definition.model._default_manager.all()]
    return sorted(found, key=lambda facts: str(facts["name"]))


def _tree() -> list[Facts]:
    beneath: dict[int | None, list[Route]] = {}
    for route in KNOWN_ROUTES.order_by("position", "pk"):
        beneath.setdefault(route.parent_id, []).append(route)
    return list(_branches(None, beneath))


def _branches(parent: int | None, beneath: Mapping[int | None, list[Route]]) -> Iterator[Facts]:
    """Routes with those beneath them; where they stand says what is above and in which order they come."""
    for route in beneath.get(parent, ()):
        said = {name: value for name, value in routes.facts_of(route).items() if name not in ("parent", "position")}
        below = [short(ROUTES, one) for one in _branches(route.pk, beneath)]
        yield {**said, ROUTES: below}


def _silences(now: datetime) -> list[Facts]:
    """Those that hold or will; of several that differ only in their end, the one that ends last."""
    found: dict[tuple[str, ...], Facts] = {}
    for silence in live(now):
        said = facts_of(silence)
        found.setdefault((said["starts_at"], said["condition"], said["comment"]), said)
    return [said for _, said in sorted(found.items())]


def _section(name: str, found: Iterable[Facts]) -> str:
    if not found:
        return f"{name}: []\n"
    return f"{name}:\n" + "".join(_listed(name, facts) for facts in found)


def _listed(section: str, facts: Facts) -> str:
    stored = []
    if section == "sinks":
        stored = [name for name, place in facts["secrets"].items() if "stored" in place]
        facts = {**facts, "secrets": {name: facts["secrets"][name] for name in facts["secrets"] if name not in stored}}
    first, *more = item(section, facts).splitlines(keepends=True)
    lines = [f"  - {first}", *(f"    {line}" if line.strip() else line for line in more)]
    return "".join(lines) + "".join(f"    # The secret {name} is stored and not exported.\n" for name in stored)


class _Dumper(yaml.SafeDumper):
    """Lists indented, short lists of words on one line, texts of several lines as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    lines = value.split("\n")
    plain = len(lines) > 1 and all(line.isprintable() for line in lines)
    # In a block other breaks than a line feed would come back as one. Some readers take times of the day for numbers.
    style = "|" if plain else '"' if not value.isprintable() else "'" if _CLOCK.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    words = all(isinstance(one, str | int | float) and len(str(one)) < WIDTH for one in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=words)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    place = value.keys() <= {"env", "file", "stored"}
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=place)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(dict, _mapping)
