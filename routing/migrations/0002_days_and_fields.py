"""What Django's models cannot say: tables cut into days, and the index that finds any field. PostgreSQL only."""

from django.db import migrations

# Table and the key it is cut by; both are empty when this runs.
TABLES = {"routing_alert": ("uuid",), "routing_groupedalert": ("alert_id", "group_id")}
# Read by searches for an exact value of one of `output_fields`, or for a tag. What is new waits in a list, and the
# insert that fills it sorts all of it in: a quarter of PostgreSQL's 4 MB, so that no post waits long for that.
FIELDS = (
    "CREATE INDEX alert_by_fields ON routing_alert USING gin (output_fields jsonb_path_ops, tags jsonb_path_ops) "
    "WITH (gin_pending_list_limit = 1024)"
)


def cut(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        for table, key in TABLES.items():
            cursor.execute(
                "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexname <> %s", [table, f"{table}_pkey"]
            )
            indexes = [definition for (definition,) in cursor.fetchall()]
            cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_uncut")
            cursor.execute(
                f"CREATE TABLE {table} (LIKE {table}_uncut INCLUDING DEFAULTS INCLUDING CONSTRAINTS) "
                f"PARTITION BY RANGE ({key[0]})"
            )
            cursor.execute(f"DROP TABLE {table}_uncut")
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({', '.join(key)})")
            for definition in indexes:
                cursor.execute(definition)
            cursor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        cursor.execute(FIELDS)


def join(apps, schema_editor):
    """One table again, with all its rows."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("DROP INDEX alert_by_fields")
        for table, key in TABLES.items():
            cursor.execute(
                "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexname <> %s", [table, f"{table}_pkey"]
            )
            indexes = [definition.replace(" ON ONLY ", " ON ") for (definition,) in cursor.fetchall()]
            cursor.execute(f"CREATE TABLE {table}_joined (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            cursor.execute(f"INSERT INTO {table}_joined SELECT * FROM {table}")  # noqa: S608 - names from above
            cursor.execute(f"DROP TABLE {table}")
            cursor.execute(f"ALTER TABLE {table}_joined RENAME TO {table}")
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({', '.join(key)})")
            for definition in indexes:
                cursor.execute(definition)


class Migration(migrations.Migration):
    dependencies = [("routing", "0001_initial")]

    operations = [migrations.RunPython(cut, join)]
