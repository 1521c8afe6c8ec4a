"""A database of an earlier kind, from before the first release: refused before a migration touches it."""

from typing import Any

from django.core.management import CommandError
from django.db import connections


def refuse(using: str, **kwargs: Any) -> None:
    """Called before every migration. Raises CommandError with what to do.

    Alerts had numbers then. There is nothing to take over, for no release made such a database.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if "routing_alert" not in connection.introspection.table_names(cursor):
            return
        columns = {column.name for column in connection.introspection.get_table_description(cursor, "routing_alert")}
    if "id" in columns:
        name = connection.settings_dict["NAME"]
        raise CommandError(
            f"the database {name} was made by a version before 0.1.0, which cannot be taken over: "
            "move it away, or name an empty one in DATABASE_URL, and start again."
        )
