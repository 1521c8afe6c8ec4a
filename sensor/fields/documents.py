"""Fields read from a JSON document: `json.*`, its old name `jevt.*`, and the parts of catalogs made of paths."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from sensor.event import Event
from sensor.fields import evt
from sensor.fields.catalog import Catalog, Extract, Field, by_name
from sensor.fields.kinds import Type


def pointer(path: str) -> Callable[[Any], Any]:
    """A reader of one place in a document, RFC 6901: `/a/b/0`; raises ValueError for a path that is none."""
    if path and not path.startswith("/"):
        raise ValueError(f"'{path}' is not a JSON pointer: it begins with a slash")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]

    def read(document: Any) -> Any:
        for step in steps:
            if isinstance(document, dict):
                document = document.get(step)
            elif isinstance(document, list) and step.isdecimal() and len(step) < 10:
                document = document[int(step)] if int(step) < len(document) else None
            else:
                return None
        return document

    return read


def text(value: Any) -> str | None:
    """A value of a document as text: strings as they are, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _value(path: str) -> Extract:
    read = pointer(path)
    return lambda event: text(read(event.payload))


def from_path(path: str) -> Extract:
    """A text field that is one place in the document."""
    return _value(path)


def texts_from_path(path: str) -> Extract:
    """A list field that is one place in the document; a single value is a list of one."""
    read = pointer(path)

    def extract(event: Event) -> list[str] | None:
        found = read(event.payload)
        if found is None:
            return None
        return [word for one in (found if isinstance(found, list) else [found]) if (word := text(one)) is not None]

    return extract


def number_from_path(path: str) -> Extract:
    """A number field that is one place in the document."""
    read = pointer(path)

    def extract(event: Event) -> int | None:
        found = read(event.payload)
        return int(found) if isinstance(found, int | float) else None

    return extract


def table(prefix: str, rows: str) -> list[Field]:
    """Text fields from lines `name /path what it is`."""
    found = []
    for row in rows.strip().splitlines():
        name, path, doc = row.strip().split(maxsplit=2)
        found.append(Field(name=f"{prefix}{name}", type=Type.CHARBUF, doc=doc, extract=from_path(path)))
    return found


JSON = tuple(
    field
    for prefix, old in (("json", ""), ("jevt", " Old name."))
    for field in (
        Field(
            name=f"{prefix}.value",
            type=Type.CHARBUF,
            doc=f"One value of the document, by JSON pointer: {prefix}.value[/a/b].{old}",
            bind=_value,
            argument="required",
        ),
        Field(name=f"{prefix}.obj", type=Type.CHARBUF, doc=f"The whole document.{old}", extract=from_path("")),
        Field(
            name=f"{prefix}.rawtime",
            type=Type.CHARBUF,
            doc=f"Nanoseconds since the epoch.{old}",
            extract=lambda event: str(event.time),
        ),
    )
)


def plain(name: str, doc: str, extract: Extract | None, kind: Type = Type.CHARBUF, **more: Any) -> Field:
    """A field of a document that is not one place in it."""
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


def _listed(values: Iterable[Any]) -> list[str] | None:
    found: list[str] = []
    for value in values:
        for one in value if isinstance(value, list) else [value]:
            word = text(one)
            if word is not None:
                found.append(word)
    return found or None


def _numbered(values: Callable[[Event], list[Any]]) -> tuple[Extract, Callable[[str], Extract]]:
    """A list field and its form with an index, which is a list of what the nth element gives."""

    def everything(event: Event) -> list[str] | None:
        return _listed(values(event))

    def nth(argument: str) -> Extract:
        number = int(argument[:6])

        def one(event: Event) -> list[str] | None:
            found = values(event)
            return _listed(found[number : number + 1])

        return one

    return everything, nth


def indexed(name: str, doc: str, values: Callable[[Event], list[Any]]) -> Field:
    """A list field, whose form with [n] is the list of what the nth element gives."""
    extract, bind = _numbered(values)
    return Field(
        name=name,
        type=Type.CHARBUF,
        doc=doc,
        extract=extract,
        bind=bind,
        argument="optional",
        index=True,
        is_list=True,
    )


def catalog(name: str, *fields: Field) -> Catalog:
    """The catalog of a source whose events are documents."""
    return Catalog(name=name, fields=by_name((*evt.ANY_SOURCE, *fields, *JSON)), roots={"": ""}, recorded=True)
