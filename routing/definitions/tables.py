"""Lookup tables, as people write them down, and what asks them."""

from collections.abc import Iterator
from typing import Any

from routing import matching
from routing.definitions.base import Definition, Facts
from routing.faults import Fault
from routing.lookups import LookupTableError, digest_of, parse, used_in
from routing.models import Inhibition, Lookup, MaintenanceWindow, ResponseAction, Route
from routing.shapes import LookupShape


class _Lookups(Definition[Lookup, LookupShape]):
    model = Lookup
    shape = LookupShape

    def said(self, row: Lookup) -> LookupShape:
        return LookupShape(name=row.name, text=row.text, comment=row.comment)

    def columns(self, said: LookupShape, row: Lookup) -> dict[str, Any]:
        try:
            parse(said.name, said.text)
        except LookupTableError as error:
            raise Fault("text", str(error)) from None
        return {"name": said.name, "text": said.text, "digest": digest_of(said.text), "comment": said.comment}

    def remembered(self, facts: Facts) -> Facts:
        """A table may be a megabyte; the digest tells one from another."""
        return {**facts, "text": f"sha256:{digest_of(facts['text'])}"}

    def users(self, row: Lookup) -> list[str]:
        return [user for user, _ in _asking(row.name)]

    def check_change(self, row: Lookup, said: LookupShape) -> None:
        try:
            left = {f"{said.name}.{column}" for column in parse(said.name, said.text).columns}
        except LookupTableError:
            return  # `columns` says it.
        for user, column in _asking(row.name):
            if column not in left:
                raise Fault("text", f"The column {column} is still used by {user}; change that first.")


def _asking(table: str) -> Iterator[tuple[str, str]]:
    """Who asks a table, in words, and for which of its columns as `teams.team`."""
    for owner, text in _texts():
        if matching.problem(text) is None:
            for column in dict.fromkeys(used_in(text)):
                if column.startswith(f"{table}."):
                    yield owner, column


def _texts() -> Iterator[tuple[str, str]]:
    """Every stored text that may ask a table, and whose it is. Silences end by themselves and are left out."""
    for route in Route.objects.all():
        for text in (route.condition, *(f"{field} exists" for field in route.group_by or ())):
            yield f"the route {route.name}", text
    for window in MaintenanceWindow.objects.all():
        yield f"the maintenance window {window.name}", window.condition
    for inhibition in Inhibition.objects.all():
        for text in (inhibition.source, inhibition.target, *(f"{field} exists" for field in inhibition.equal)):
            yield f"the inhibition {inhibition.name}", text
    for action in ResponseAction.objects.all():
        yield f"the response action {action.name}", action.condition


LOOKUPS = _Lookups()
