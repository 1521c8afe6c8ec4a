"""What every named definition has in common: its facts as plain JSON, and how they are checked, kept and remembered."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models, transaction

from routing import audit
from routing.access import Actor, insist
from routing.faults import Conflict, Fault
from routing.placing import look_again
from routing.shapes import Shape, facts, shaped
from routing.turns import Turn, wait_for

Facts = dict[str, Any]
Row = TypeVar("Row", bound=models.Model)
Said = TypeVar("Said", bound=Shape)


class Definition(ABC, Generic[Row, Said]):
    """One kind of definition."""

    model: type[Row]
    shape: type[Said]
    makes_routes_wait: ClassVar[bool] = False
    """Whether a change lets groups be told that wait."""

    @abstractmethod
    def said(self, row: Row) -> Said:
        """What a stored one says."""

    @abstractmethod
    def columns(self, said: Said) -> dict[str, Any]:
        """What is stored of it. Raises Fault for what cannot be."""

    def remembered(self, facts: Facts) -> Facts:
        """What the audit log keeps of it."""
        return facts

    def users(self, row: Row) -> list[str]:
        """What would miss it, in words."""
        return []

    def check_change(self, row: Row, said: Said) -> None:
        """Raises Fault where what uses a stored one would miss something afterwards."""

    def facts_of(self, row: Row) -> Facts:
        """What a stored one says, as plain JSON."""
        return facts(self.said(row))

    @property
    def noun(self) -> str:
        return str(self.model._meta.verbose_name)


def save(
    definition: Definition[Row, Said],
    row: Row | None,
    changes: Mapping[str, Any],
    by: Actor,
    now: datetime,
    ip: str | None = None,
    verb: str = "",
) -> Row:
    """Make one, or change one, by some of its facts; it counts from the next alert on.

    Raises PermissionDenied; Conflict where it was deleted in the meantime; Fault for what cannot be.
    """
    insist(by, "edit")
    with transaction.atomic():
        wait_for(Turn.DEFINITIONS)
        stored = definition.model._default_manager.filter(pk=row.pk).first() if row else None
        if row and stored is None:
            raise Conflict("name", "Somebody deleted this in the meantime.")
        before = definition.facts_of(stored) if stored else None
        said = shaped(definition.shape, {**(before or {}), **changes})
        after = facts(said)
        if stored and after == before:
            return stored
        _check_name(definition, after["name"], stored)
        if stored:
            definition.check_change(stored, said)
        saved = stored or definition.model()
        for name, value in definition.columns(said).items():
            setattr(saved, name, value)
        saved.save()
        if definition.makes_routes_wait:
            look_again(now)
        kept = definition.remembered(before) if before else None
        audit.record(
            by, verb or ("edit" if before else "create"), saved, kept, definition.remembered(after), ip=ip, now=now
        )
    return saved


def delete(
    definition: Definition[Row, Said],
    row: Row,
    by: Actor,
    now: datetime,
    ip: str | None = None,
    verb: str = "delete",
) -> None:
    """Raises PermissionDenied, and Fault where something still uses it."""
    insist(by, "edit")
    with transaction.atomic():
        wait_for(Turn.DEFINITIONS)
        if users := definition.users(row):
            raise Fault("name", f"{str(row)!r} is still used by {', '.join(users)}; change that first.")
        kept = definition.remembered(definition.facts_of(row))
        audit.record(by, verb, row, before=kept, ip=ip, now=now)
        row.delete()


def _check_name(definition: Definition[Row, Said], name: str, stored: Row | None) -> None:
    others = definition.model._default_manager.filter(name=name)
    if stored:
        others = others.exclude(pk=stored.pk)
    if others.exists():
        raise Fault("name", f"There is a {definition.noun} called {name!r} already.")
