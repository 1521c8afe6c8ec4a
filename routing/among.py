"""`field__among=[…]`: as `in`, but with one parameter, for hundreds of them cost more than what they find."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import orjson
from django.db.models import Field, ForeignObject, Lookup


@ForeignObject.register_lookup  # It has lookups of its own.
@Field.register_lookup
class Among(Lookup):
    """An array on PostgreSQL, JSON on SQLite."""

    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Iterable[Any]) -> None:
        super().__init__(lhs, [lhs.output_field.get_prep_value(value) for value in rhs])

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*params, self.rhs]

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        values = orjson.dumps([value.hex if isinstance(value, UUID) else value for value in self.rhs]).decode()
        return f"{column} IN (SELECT value FROM json_each(%s))", [*params, values]  # noqa: S608 - Django's name
