"""What a posted body holds: one JSON object, an array, or lines of them, in one of the formats we know.

Told apart by content, because senders disagree about content types; only CloudEvents say in headers what they are.
Our sensors, Falco's `http_output` and falcosidekick write one shape, `Posted`; a format that differs gets a line in
`FORMATS`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from routing.admission import Posted, Rejected
from routing.api import from_alertmanager, from_cloudevents
from routing.api.patient_json import loads
from routing.api.problems import Problem

_one = msgspec.json.Decoder(Posted)
_many = msgspec.json.Decoder(list[Posted])


class Format(NamedTuple):
    """A shape of JSON objects: how it is recognised, and the alerts in one object of it."""

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    alerts: Callable[[Mapping[str, Any]], Sequence[object]]


FORMATS = (
    Format("CloudEvents", from_cloudevents.recognises, from_cloudevents.alerts),
    Format("Alertmanager", from_alertmanager.recognises, from_alertmanager.alerts),
)


def values(body: bytes, headers: Mapping[str, str]) -> Sequence[object]:
    """What a body holds, in order: `Posted` where all is well-typed, else what `admission.admit` finds the fault of.

    Raises Problem 400 where it is not JSON, 415 where it is CloudEvents in another form.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if from_cloudevents.told_by(headers):
        return from_cloudevents.values(body, headers)
    if not body:
        raise Problem(400, "The body is empty; send an alert as JSON.")
    try:
        return _many.decode(body) if body.startswith(b"[") else [_one.decode(body)]
    except (ValueError, RecursionError):
        pass  # Ill-typed somewhere, or lines, or not JSON: the slower way finds out which.
    try:
        found = loads(body)
    except (ValueError, RecursionError) as error:
        return _lines(body, error)
    return [alert for value in (found if isinstance(found, list) else [found]) for alert in _alerts(value)]


def _lines(body: bytes, whole: ValueError | RecursionError) -> Sequence[object]:
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
            found += _alerts(loads(line))
            any_json = True
        except (ValueError, RecursionError):
            found.append(Rejected("", "is not JSON"))
    if not any_json:
        deep = isinstance(whole, RecursionError)
        raise Problem(400, "The JSON is nested too deeply." if deep else f"The body is not JSON: {whole}.")
    return found


def _alerts(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        for known in FORMATS:
            if known.recognises(value):
                return known.alerts(value)
    return [value]
