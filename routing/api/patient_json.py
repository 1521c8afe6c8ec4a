"""JSON as senders write it, which is not always as the standard has it."""

import json
import math
from typing import Any

from routing.admission import clean


def loads(body: bytes) -> Any:
    """Plain data that can be stored: bytes that are not UTF-8, lone surrogates and U+0000 become U+FFFD, numbers out
    of range become text, of a member given twice the last counts. Raises ValueError, or RecursionError where it is
    nested too deeply."""
    text = body.decode("utf-8", "replace")
    return clean(json.loads(text, parse_constant=_refuse, parse_float=_float, parse_int=_int))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) < 20 else text
