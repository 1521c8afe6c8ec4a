"""What every named definition has in common: its facts as plain JSON, and how they are checked, kept and remembered."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import models, transaction

from routing import audit
from routing.access import Actor, insist
from routing.faults import Conflict, Fault
from routing.models.encrypted import Unreadable
from routing.shapes import Shape, facts, shaped
from routing.turns import Turn, wait_for

Facts = dict[str, Any]
Row = TypeVar("Row", bound=models.Model)
Said = TypeVar("Said", bound=Shape)


class Definition(ABC, Generic[Row, Said]):
    """One kind of definition."""

    model: type[Row]
    shape: type[Said]

    @abstractmethod
    def said(self, row: Row) -> Said:
        """What a stored one says."""

    @abstractmethod
    def columns(self, said: Said, row: Row) -> dict[str, Any]:
        """What is stored of it in a row, a new one or the one that is there. Raises Fault for what cannot be."""

    def changed(self, facts: Facts, changes: Mapping[str, Any]) -> Facts:
        """What a stored one says once some of its facts are other ones."""
        return {**facts, **changes}

    def took_effect(self, row: Row, changed: set[str], now: datetime) -> None:
        """What follows from a change of some columns, in its transaction."""

    def leaves(self, now: datetime) -> None:
        """What follows from a deletion, in its transaction."""

    def remembered(self, facts: Facts) -> Facts:
        """What the audit log keeps of it."""
        return facts

    def users(self, row: Row) -> list[str]:
        """What would miss it, in words."""
        return []

    def check_delete(self, row: Row) -> None:
        """Raises Fault where it must stay."""
        if users := self.users(row):
            raise Fault("name", f"{str(row)!r} is still used by {', '.join(users)}; change that first.")

    def check_change(self, row: Row, said: Said) -> None:
        """Raises Fault where what uses a stored one would miss something afterwards."""

    def check_given(self, row: Row, columns: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Raises Fault where a stored one needs more to become so than is given with the changes."""

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
    *,
    users_follow: bool = False,
) -> Row:
    """Make one, or change one, by some of its facts; it counts from the next alert on.

    With `users_follow` what uses it is changed afterwards, and the caller calls `check_change` then.

    Raises PermissionDenied; Conflict where it was deleted in the meantime; Fault for what cannot be.
    """
    insist(by, "edit")
    with transaction.atomic():
        wait_for(Turn.DEFINITIONS)
        stored = definition.model._default_manager.filter(pk=row.pk).first() if row else None
        if row and stored is None:
            raise Conflict("name", "Somebody deleted this in the meantime.")
        before = definition.facts_of(stored) if stored else None
        said = shaped(definition.shape, definition.changed(before or {}, changes))
        after = facts(said)
        if stored and after == before:
            return stored
        _check_name(definition, after["name"], stored)
        if stored and not users_follow:
            definition.check_change(stored, said)
        saved = stored or definition.model()
        columns = definition.columns(said, saved)
        if stored:
            definition.check_given(stored, columns, changes)
        changed = {name for name, value in columns.items() if _differs(saved, name, value)}
        for name, value in columns.items():
            setattr(saved, name, value)
        # Workers write other columns at the same time.
        saved.save(update_fields=list(columns) if stored else None)
        definition.took_effect(saved, changed, now)
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
    """Raises PermissionDenied, and Fault where it must stay, for something still uses it."""
    insist(by, "edit")
    with transaction.atomic():
        wait_for(Turn.DEFINITIONS)
        definition.check_delete(row)
        kept = definition.remembered(definition.facts_of(row))
        # Whoever locks groups does so before the turn of the audit log is taken.
        definition.leaves(now)
        audit.record(by, verb, row, before=kept, ip=ip, now=now)
        row.delete()


def _differs(row: models.Model, name: str, value: object) -> bool:
    try:
        return bool(getattr(row, name) != value)
    except Unreadable:
        return True


def _check_name(definition: Definition[Row, Said], name: str, stored: Row | None) -> None:
    others = definition.model._default_manager.filter(name=name)
    if stored:
        others = others.exclude(pk=stored.pk)
    if others.exists():
        raise Fault("name", f"There is a {definition.noun} called {name!r} already.")
