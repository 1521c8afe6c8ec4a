"""The field catalog as text: for a terminal, and as the page docs/fields.md."""

from collections.abc import Iterable

from sensor.fields.catalog import Catalog, Field

HEAD = """# Fields

What conditions and outputs can ask of an event, by event source. This page is printed by
`python -m sensor fields --markdown`; a test keeps it current.

A field that an event does not have is missing: every comparison with it is false, and it prints as `<NA>`.
`list` fields take `in`, `intersects` and `exists`. `any` fields have several candidate values, of which one must
fit. `filter` fields cannot be printed.
"""


def plain(catalogs: Iterable[Catalog], prefix: str = "") -> str:
    """One line for each field whose name starts so."""
    lines = []
    for catalog in catalogs:
        fields = [one for name, one in sorted(catalog.fields.items()) if name.startswith(prefix)]
        if fields:
            lines.append(f"source {catalog.name}")
            lines += [f"  {usage(one):<44} {kind(one):<16} {one.doc}{_notes(one)}" for one in fields]
    return "".join(f"{line}\n" for line in lines)


def listed(catalogs: Iterable[Catalog], prefix: str = "") -> list[dict[str, str | bool]]:
    """The same as objects."""
    return [
        {
            "source": catalog.name,
            "name": one.name,
            "type": one.type.name,
            "list": one.is_list,
            "argument": one.argument,
            "doc": one.doc,
        }
        for catalog in catalogs
        for name, one in sorted(catalog.fields.items())
        if name.startswith(prefix)
    ]


def markdown(catalogs: Iterable[Catalog]) -> str:
    """The page, with a table for each source and class of fields."""
    parts = [HEAD]
    for catalog in catalogs:
        parts.append(f"\n## Source `{catalog.name}`\n")
        groups: dict[str, list[Field]] = {}
        for one in catalog.fields.values():
            groups.setdefault(one.name.split(".")[0], []).append(one)
        for name, fields in groups.items():
            parts.append(f"\n### {name}\n\n| field | type | what it is |\n|---|---|---|\n")
            for one in fields:
                doc = f"{one.doc}{_notes(one)}".replace("|", "\\|")
                parts.append(f"| `{usage(one)}` | {kind(one)} | {doc} |\n")
    return "".join(parts)


def usage(field: Field) -> str:
    """The name with its argument: `proc.aname[n]`, `evt.arg.NAME`."""
    if field.argument == "none":
        return field.name
    if field.dotted:
        return f"{field.name}.NAME"
    argument = "n" if field.index else "key"
    return f"{field.name}[{argument}]" if field.argument == "required" else f"{field.name} / {field.name}[{argument}]"


def kind(field: Field) -> str:
    """The type, with what is special about it."""
    words = [str(field.type)]
    if field.is_list:
        words.append("list")
    if field.spread:
        words.append("any")
    if field.filter_only:
        words.append("filter")
    return " ".join(words)


def _notes(field: Field) -> str:
    return f" Deprecated: {field.deprecated}." if field.deprecated else ""
