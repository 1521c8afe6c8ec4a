"""Values from JSON (recorded events, stored alerts) as the types that comparisons expect."""

from typing import Any

from sensor.fields.kinds import NUMBERS, Type


def coerced(kind: Type, value: Any) -> Any:
    """The value as this type, None where it cannot be one; lists element by element."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [coerced(kind, one) for one in value]
    if kind is Type.DYN:
        return value
    if kind is Type.BOOL:
        return _boolean(value)
    if kind in NUMBERS:
        return _number(value)
    if kind is Type.BYTEBUF:
        return value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


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
