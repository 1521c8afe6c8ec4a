"""Values from JSON (recorded events, stored alerts) as the types that comparisons expect."""

from typing import Any

import orjson

from sensor.fields.kinds import NUMBERS, Type


def coerced(kind: Type, value: Any) -> Any:
    """One value as this type, None where it cannot be one."""
    if value is None or kind is Type.DYN:
        return value
    if kind is Type.BOOL:
        return _boolean(value)
    if kind in NUMBERS:
        return _number(value)
    if kind is Type.BYTEBUF:
        return value if isinstance(value, bytes) else _text(value).encode(errors="surrogateescape")
    return _text(value)


def coerced_list(kind: Type, value: Any) -> list[Any] | None:
    """The elements that can be of this type; one value is a list of one."""
    if value is None:
        return None
    found = (coerced(kind, one) for one in (value if isinstance(value, list | tuple) else (value,)))
    return [one for one in found if one is not None]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else orjson.dumps(value, default=str).decode()


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


def _number(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
