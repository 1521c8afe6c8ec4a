"""What a configuration file says is made so: all of it in one transaction, or nothing.

Whether something can be is asked of the services by doing it; a dry run and a file with problems are then rolled back.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.db import models, transaction

from routing import audit, definitions, matching, routes, silences
from routing.access import Operator
from routing.configuration import order, quiet
from routing.configuration.differences import Change
from routing.configuration.reading import Configuration, Problem, Written
from routing.configuration.sections import AFTER_ROUTES, BEFORE_ROUTES, DEFINED, ROUTES, SILENCES
from routing.configuration.writing import KNOWN_ROUTES
from routing.definitions import Definition
from routing.faults import Fault
from routing.lookups import used_in
from routing.models import ResponseAction, Route, Sink, TimeInterval
from routing.shapes import SilenceShape, shaped
from routing.turns import Turn, wait_for

Facts = dict[str, Any]
Saved = TypeVar("Saved")

BY = Operator("apply")
STAND_INS: dict[str, Callable[[str], models.Model]] = {
    "intervals": lambda name: TimeInterval(name=name, spec=[]),
    "sinks": lambda name: Sink(name=name),
    "actions": lambda name: ResponseAction(name=name),
    ROUTES: lambda name: Route(name=name, position=0),
}
"""What takes the place of something that was refused, so that what names it is not refused as well."""


class Refused(Exception):
    """The file cannot be applied, and nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(problem.text for problem in self.problems))


class _DryRun(Exception):
    """Ends a transaction that shall change nothing."""


def apply(configuration: Configuration, now: datetime, *, prune: bool = False, dry_run: bool = False) -> list[Change]:
    """Make it so; what was changed, or would be. Raises Refused with everything that is wrong.

    With `prune`, what the file's sections do not name is deleted. A section that is not in the file stays as it is.
    """
    applying = _Applying(configuration, now)
    try:
        with transaction.atomic(), audit.gathered():
            # In the order in which others wait for each other: definitions, routes, groups, and the audit log at last.
            wait_for(Turn.DEFINITIONS)
            routes.locked()
            applying.make()
            if prune and not configuration.problems:
                applying.prune()
            if configuration.problems:
                raise Refused(configuration.problems)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return applying.changes


class _Applying:
    """One file on its way."""

    def __init__(self, configuration: Configuration, now: datetime) -> None:
        self.file = configuration
        self.now = now
        self.changes: list[Change] = []
        self._followed: list[tuple[Written, Definition[Any, Any], Any]] = []
        """What was changed before what uses it."""
        self._live = quiet.live(now)
        """Silences that the file has not named so far."""
        self._tables = set(configuration.broken.get("lookups", ()))
        """Lookup tables that were refused."""

    def make(self) -> None:
        """Everything that the file names."""
        for section in BEFORE_ROUTES:
            self._define(section)
        self._stand_in(ROUTES, self.file.broken.get(ROUTES, ()))
        self._routes()
        for section in AFTER_ROUTES:
            self._define(section)
        for written, definition, row in self._followed:
            try:
                definition.check_change(row, shaped(definition.shape, definition.facts_of(row)))
            except Fault as fault:
                self._refuse(written, fault)
        self._silences()

    def prune(self) -> None:
        """Delete what the file's sections do not name: what uses others first."""
        for silence in self._live if SILENCES in self.file.sections else ():
            before = quiet.facts_of(silence)
            silences.end(silence, BY, self.now)
            self._note(SILENCES, quiet.title(before), before, None)
        for section in AFTER_ROUTES[::-1]:
            self._prune(section)
        if ROUTES in self.file.sections:
            for route in self._unnamed(ROUTES, order.deepest_first(KNOWN_ROUTES.all())):
                before, ends = routes.facts_of(route), routes.going_on(route).count()
                self._delete(ROUTES, before, lambda route=route: routes.delete(route, BY, self.now), ends)  # type: ignore[misc]
        for section in BEFORE_ROUTES[::-1]:
            self._prune(section)

    def _define(self, section: str) -> None:
        definition = DEFINED[section]
        self._stand_in(section, self.file.broken.get(section, ()))
        for written in self.file.sections.get(section, ()):
            stored = definition.model._default_manager.filter(name=written.name).first()
            before = definition.facts_of(stored) if stored else None

            def save(facts: Facts, stored: Any = stored) -> Any:
                return definitions.save(definition, stored, facts, BY, self.now, users_follow=True)

            saved = self._tried(written, save)
            if saved is None:
                self._tables |= {written.name} if section == "lookups" else set()
                self._stand_in(section, [written.name])
                continue
            self._note(section, written.name, before, definition.facts_of(saved))
            if stored:
                self._followed.append((written, definition, saved))

    def _routes(self) -> None:
        stored = {route.name: route for route in KNOWN_ROUTES.all()}
        before = {name: routes.facts_of(route) for name, route in stored.items()}
        for written in order.numbered(order.parents_first(self.file.sections.get(ROUTES, ())), before):
            route, earlier = stored.get(written.name), before.get(written.name)
            if earlier is not None and routes.ordered(written.facts) == earlier:
                continue

            def save(facts: Facts, route: Route | None = route) -> Route:
                return routes.save(route, facts, BY, self.now)

            saved = self._tried(written, save)
            if saved is None:
                self._stand_in(ROUTES, [written.name])
            else:
                self._note(ROUTES, written.name, earlier, routes.facts_of(saved))

    def _silences(self) -> None:
        written = [(one, SilenceShape.model_validate(one.facts)) for one in self.file.sections.get(SILENCES, ())]
        # Those with a start mean one silence, the others take what is left.
        for one, said in sorted(written, key=lambda both: both[1].starts_at is None):
            stored = next((silence for silence in self._live if quiet.is_meant(silence, said)), None)
            before = quiet.facts_of(stored) if stored else None
            if stored:
                self._live.remove(stored)
            try:
                kept = quiet.made_so(stored, said, BY, self.now)
            except Fault as fault:
                self._refuse(one, fault)
            else:
                self._note(SILENCES, quiet.title(one.facts), before, quiet.facts_of(kept) if kept else None)

    def _tried(self, written: Written, save: Callable[[Facts], Saved]) -> Saved | None:
        """What was saved of it, all that is wrong being noted and left out; None where nothing could be saved."""
        facts, refused = written.facts, set[str]()
        while True:
            try:
                return save(facts)
            except Fault as fault:
                if fault.field in refused:
                    return None  # It is needed, and was left out only to find what else is wrong.
                self._refuse(written, fault)
                refused.add(fault.field)
                rest = _without(facts, fault.field)
                if rest is None:
                    return None
                facts = rest

    def _refuse(self, written: Written, fault: Fault) -> None:
        said = written.facts.get(fault.field)
        texts = said if isinstance(said, list) else [said]
        if fault.error is None and self._tables & {table for text in texts for table in _tables_in(text)}:
            return  # What is wrong with the table is said there.
        self.file.refuse(f"{written.path}.{fault.field}", str(fault), fault.error)

    def _stand_in(self, section: str, names: Iterable[str]) -> None:
        for name in names if section in STAND_INS else ():
            stand_in = STAND_INS[section](name[:100].replace("\0", ""))
            if not type(stand_in)._default_manager.filter(name=str(stand_in)).exists():
                stand_in.save()

    def _note(self, section: str, name: str, before: Facts | None, after: Facts | None, ends: int = 0) -> None:
        if before != after:
            self.changes.append(Change(section, name, before, after, ends))

    def _prune(self, section: str) -> None:
        definition = DEFINED[section]
        if section not in self.file.sections:
            return
        for row in self._unnamed(section, definition.model._default_manager.all()):
            before = definition.facts_of(row)
            self._delete(
                section,
                before,
                lambda row=row: definitions.delete(definition, row, BY, self.now),  # type: ignore[misc]
            )

    def _unnamed(self, section: str, rows: Iterable[Saved]) -> list[Saved]:
        named = {written.name for written in self.file.sections[section]}
        return [row for row in rows if str(row) not in named]

    def _delete(self, section: str, before: Facts, delete: Callable[[], None], ends: int = 0) -> None:
        try:
            delete()
        except Fault as fault:
            self.file.problems.append(Problem(0, 0, f"{self.file.source.name}: {fault}"))
        else:
            self._note(section, str(before["name"]), before, None, ends)


def _without(facts: Facts, field: str) -> Facts | None:
    """What is left to be tried of something after one of its members was refused; None where that is nothing."""
    member, _, inner = field.partition(".")
    if member == "name" or member not in facts:
        return None
    if not inner or not isinstance(facts[member], dict):
        return {name: value for name, value in facts.items() if name != member}
    option = inner.split(".")[0]
    if option not in facts[member]:
        return None
    return {**facts, member: {name: value for name, value in facts[member].items() if name != option}}


def _tables_in(text: object) -> set[str]:
    """The lookup tables that a condition or a field asks."""
    if not isinstance(text, str):
        return set()
    for condition in (text, f"{text} exists"):
        if matching.problem(condition) is None:
            return {column.partition(".")[0] for column in used_in(condition)}
    return set()
