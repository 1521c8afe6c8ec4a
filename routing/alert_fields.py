"""The fields of a stored alert, as conditions of routes, silences and searches name them.

Beside the alert's own fields, every detection field (`proc.name`, `k8s.ns.name`) can be named: it reads what the
sensor put into `output_fields`, and is missing where the rule's output did not ask for it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sensor.fields import ALL
from sensor.fields.catalog import Catalog, Field, by_name
from sensor.fields.coerce import coerced_list
from sensor.fields.kinds import NUMBERS, Type


class Labelled(Protocol):
    """The part of a sensor that conditions can ask for."""

    name: str
    labels: dict[str, Any]


class AlertView(Protocol):
    """What a condition reads; stored alerts are such."""

    rule: str
    priority: int
    source: str
    hostname: str
    tags: list[str]
    output: str
    output_fields: dict[str, Any]
    time_ns: int
    lookups: Mapping[str, str]
    """What the lookup tables say about it (`routing.lookups`)."""

    @property
    def sensor(self) -> Labelled | None: ...


Read = Callable[[Any], Any]


# The database must read all of these in the same way (`routing.stored_values`), or a search would find something else.
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}")


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, int | float):
        return value
    # Some senders print every field.
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else None


def _as_text(value: Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(text for one in value if (text := _printed(one)) is not None)
    return _printed(value)


def _printed(value: Any) -> str | None:
    """A plain value as a text; an object is as if missing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _as_flag(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _reader(name: str, kind: Type, is_list: bool) -> Read:
    """Reads one of `output_fields` as the type that conditions compare it with."""
    if is_list:
        return lambda alert: coerced_list(kind, alert.output_fields.get(name))
    if kind in NUMBERS:
        return lambda alert: _as_number(alert.output_fields.get(name))
    if kind is Type.BOOL:
        return lambda alert: _as_flag(alert.output_fields.get(name))
    return lambda alert: _as_text(alert.output_fields.get(name))


def _over_alerts(field: Field) -> Field:
    """A detection field as it is read from an alert that carries it."""
    # A value that was printed is text: bytes are not kept, addresses are compared as what they mean.
    kind = Type.CHARBUF if field.type is Type.BYTEBUF else field.type

    def bind(argument: str) -> Read:
        label = f"{field.name}.{argument}" if field.dotted else f"{field.name}[{argument}]"
        return _reader(label, kind, field.is_list and not field.index)

    return Field(
        name=field.name,
        type=kind,
        doc=f"{field.doc} As the alert's output_fields have it.",
        extract=_reader(field.name, kind, field.is_list) if field.argument != "required" else None,
        bind=bind if field.argument != "none" else None,
        argument=field.argument,
        index=field.index,
        dotted=field.dotted,
        is_list=field.is_list,
        values=field.values,
        near=field.near,
    )


def _sensor_name(alert: AlertView) -> str | None:
    return alert.sensor.name if alert.sensor else None


def _label(name: str) -> Read:
    return lambda alert: _as_text(alert.sensor.labels.get(name)) if alert.sensor else None


def _lookup(name: str) -> Read:
    table, _, column = name.partition(".")
    if not table or not column:
        raise ValueError(f"{LOOKUP} takes a table and its column, as {LOOKUP}[teams.channel], not '{name}'")
    return lambda alert: alert.lookups.get(name)


LOOKUP = "alert.lookup"
OWN = (
    Field(name="alert.rule", type=Type.CHARBUF, doc="The rule that matched.", via=("", "rule")),
    Field(
        name="alert.priority",
        type=Type.PRIORITY,
        doc="The rule's priority; `>= warning` means at least as severe as warning.",
        via=("", "priority"),
    ),
    Field(name="alert.source", type=Type.CHARBUF, doc="The event source: syscall, k8s_audit, …", via=("", "source")),
    Field(name="alert.hostname", type=Type.CHARBUF, doc="The node.", via=("", "hostname")),
    Field(name="alert.tags", type=Type.CHARBUF, doc="The rule's tags.", via=("", "tags"), is_list=True),
    Field(name="alert.output", type=Type.CHARBUF, doc="The alert's text.", via=("", "output")),
    Field(name="alert.time", type=Type.ABSTIME, doc="When, in nanoseconds since the epoch.", via=("", "time_ns")),
    Field(
        name="alert.field",
        type=Type.DYN,
        doc="Any of the alert's output_fields by its name, also one that no catalog knows.",
        bind=lambda name: _reader(name, Type.CHARBUF, False),
        argument="required",
    ),
    Field(
        name=LOOKUP,
        type=Type.CHARBUF,
        doc="What a lookup table says about the alert, as `alert.lookup[teams.channel]`.",
        bind=_lookup,
        argument="required",
    ),
    Field(name="sensor.name", type=Type.CHARBUF, doc="The sensor that sent it.", extract=_sensor_name),
    Field(name="sensor.label", type=Type.CHARBUF, doc="A label of that sensor.", bind=_label, argument="required"),
    Field(name="cluster.name", type=Type.CHARBUF, doc="The sensor's label `cluster`.", extract=_label("cluster")),
)

_DETECTION = {name: field for catalog in ALL.values() for name, field in catalog.fields.items()}
CATALOG = Catalog("alerts", by_name([*OWN, *(_over_alerts(field) for field in _DETECTION.values())]), roots={"": ""})
