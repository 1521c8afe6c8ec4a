"""What a posted body holds: one JSON object, an array, or lines of them, in one of the formats we know.

Told apart by content, because senders disagree about content types. Our sensors, Falco's `http_output` and
falcosidekick write the same shape; a format that differs gets a line in `FORMATS`.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from routing.admission import Posted, clean
from routing.api.problems import Problem

_one = msgspec.json.Decoder(Posted)
_many = msgspec.json.Decoder(list[Posted])


class Format(NamedTuple):
    """A shape of JSON objects: how it is recognised, and the alerts in one object of it."""

    name: str
    recognises: Callable[[dict[str, Any]], bool]
    alerts: Callable[[dict[str, Any]], Sequence[object]]


FORMATS = (Format("falco", lambda value: "rule" in value, lambda value: [value]),)


def values(body: bytes) -> Sequence[object]:
    """What a body holds, in order: `Posted` where all is well-typed, else plain data for `admission.admit`.

    Raises Problem 400 where it is not JSON.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise Problem(400, "The body is empty; send an alert as JSON.")
    try:
        return _many.decode(body) if body.startswith(b"[") else [_one.decode(body)]
    except (ValueError, RecursionError):
        pass  # Ill-typed somewhere, or lines, or not JSON: the slower way finds out which.
    try:
        found = _loads(body)
    except ValueError as error:
        return _lines(body, error)
    except RecursionError:
        raise Problem(400, "The JSON is nested too deeply.") from None
    return [alert for value in (found if isinstance(found, list) else [found]) for alert in _alerts(value)]


def _lines(body: bytes, whole: ValueError) -> Sequence[object]:
    """JSON lines; a line that is none is left for `admit` to reject, so that its neighbours are not lost."""
    found: list[object] = []
    any_json = False
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        if len(found) > settings.INGEST_MAX_ALERTS:
            break  # Too many already: whoever counts them refuses the body.
        try:
            found.append(_one.decode(line))
            any_json = True
            continue
        except (ValueError, RecursionError):
            pass
        try:
            found += _alerts(_loads(line))
            any_json = True
        except (ValueError, RecursionError):
            found.append(NOT_JSON)
    if not any_json:
        raise Problem(400, f"The body is not JSON: {whole}.")
    return found


NOT_JSON = "a line that is not JSON"


def _alerts(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        for known in FORMATS:
            if known.recognises(value):
                return known.alerts(value)
    return [value]


def _loads(body: bytes) -> Any:
    """JSON as Python reads it, which is more patient than msgspec: bytes that are not UTF-8 and lone surrogates
    become U+FFFD, numbers out of range become text. Raises ValueError or RecursionError."""
    text = body.decode("utf-8", "replace")
    return clean(json.loads(text, parse_constant=_refuse, parse_float=_float, parse_int=_int))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) < 20 else text
