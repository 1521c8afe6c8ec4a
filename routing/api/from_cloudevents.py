"""CloudEvents 1.0 over HTTP, in the three modes of its protocol binding: binary, structured and batched, both in JSON.

An event whose data is an alert as Falco writes it is that alert (falcosidekick posts those); any other becomes an
alert named after its type. `source` and `id` together tell an event from all others.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from routing.admission import Posted, Rejected, Told, typed
from routing.api.patient_json import loads
from routing.api.problems import Problem
from routing.api.severities import priority_of
from sensor.alert import Priority

SOURCE = "cloudevents"
MEDIA_TYPE = "application/cloudevents"
"""What the content type of the structured and of the batched mode begins with."""
IN_JSON = re.compile(rf"{re.escape(MEDIA_TYPE)}(-batch)?(\+json)? *(;.*)?", re.IGNORECASE)
HEADER = "ce-"
NEEDED = ("id", "source", "type")
DATA = ("data", "data_base64", "datacontenttype")
"""What is not an attribute of its own."""
TEXTS = ("message", "msg", "output", "summary", "description", "text")
"""Members of the data that say in words what happened, the best first."""
SEVERITIES = ("priority", "severity", "level")
HOSTS = ("hostname", "host")
_ESCAPED = re.compile(r"\\(.)")


def told_by(headers: Mapping[str, str]) -> bool:
    """Whether a request says that it carries events: in its content type, or in headers of their own."""
    return "ce-specversion" in headers or headers.get("content-type", "")[: len(MEDIA_TYPE)].lower() == MEDIA_TYPE


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an event, whatever its request calls it."""
    return "specversion" in value


def values(body: bytes, headers: Mapping[str, str]) -> list[Posted | Rejected]:
    """The alerts of a request that is `told_by` its headers. Raises Problem 400 where it is not JSON, or 415."""
    kind = headers.get("content-type", "")
    structured = kind[: len(MEDIA_TYPE)].lower() == MEDIA_TYPE
    if structured and not IN_JSON.fullmatch(kind):
        raise Problem(415, f"CloudEvents are read as {MEDIA_TYPE}+json or {MEDIA_TYPE}-batch+json.")
    try:
        found = loads(body) if structured else _binary(headers, body, kind)
    except ValueError as error:
        raise Problem(400, f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise Problem(400, "The JSON is nested too deeply.") from None
    return [_alert_or_reason(event) for event in (found if isinstance(found, list) else [found])]


def alerts(event: Mapping[str, Any]) -> list[Posted | Rejected]:
    """The alert of an event that stands among other JSON."""
    return [_alert_or_reason(event)]


def _alert_or_reason(event: object) -> Posted | Rejected:
    try:
        return _alert(event)
    except Rejected as error:
        return error


def _binary(headers: Mapping[str, str], body: bytes, kind: str) -> dict[str, Any] | Rejected:
    """The event that headers and body are; Rejected where a header cannot be read.

    Raises ValueError or RecursionError where the body is not the JSON that it is said to be.
    """
    try:
        event: dict[str, Any] = {
            name.removeprefix(HEADER): decoded(value)
            for name, value in headers.items()
            if name.startswith(HEADER) and name.removeprefix(HEADER) not in DATA
        }
    except ValueError:
        return Rejected("", f"the {HEADER} headers must be percent-encoded UTF-8")
    if body:
        event["data"] = loads(body) if _is_json(kind) else body.decode("utf-8", "replace")
    return event


def decoded(value: str) -> str:
    """The attribute in a header: quotes undone as older versions of the binding wrote them, then percent signs.

    Raises ValueError where that is not UTF-8, as the binding wants it.
    """
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    return unquote_to_bytes(value.encode("latin-1")).decode()


def _is_json(kind: object) -> bool:
    """Whether a content type is JSON, which it also is where it is not given."""
    essence = str(kind or "application/json").partition(";")[0].strip().lower()
    return essence.endswith(("/json", "+json"))


def _alert(event: object) -> Posted:
    if isinstance(event, Rejected):
        raise event
    if not isinstance(event, dict):
        raise Rejected("", "must be a JSON object")
    if event.get("specversion") != "1.0":
        raise Rejected("specversion", "must be 1.0")
    for name in NEEDED:
        if not event.get(name) or not isinstance(event[name], str):
            raise Rejected(name, "must be a text that is not empty")
    data = _data(event)
    known_by = [SOURCE, event["source"], event["id"]]
    if is_falcos(data):
        return typed({"time": event.get("time"), **data, "known_by": known_by}, Told)
    if event.get("time") is None:
        raise Rejected("time", "is missing; without it a repeat cannot be told from another event")
    attributes = {name: value for name, value in event.items() if name not in DATA}
    members = data if isinstance(data, dict) else {}
    fields = {f"ce.{name}": value for name, value in attributes.items() if name not in ("specversion", "time")}
    if members:
        fields |= {f"data.{name}": value for name, value in members.items()}
    elif data is not None:
        fields["data"] = data
    said = data if isinstance(data, str) else _first(TEXTS, members)
    subject = attributes.get("subject")
    return typed(
        {
            "time": event["time"],
            "rule": event["type"],
            "priority": priority_of(_first(SEVERITIES, attributes, members), Priority.NOTICE).label,
            "source": SOURCE,
            "hostname": _first(HOSTS, attributes, members),
            "output": ": ".join(part for part in (subject, said) if part and isinstance(part, str)) or event["type"],
            "output_fields": fields,
            "known_by": known_by,
        },
        Told,
    )


def is_falcos(data: object) -> bool:
    """Whether an event's data is an alert as Falco and our sensors write it."""
    if not isinstance(data, dict) or not isinstance(data.get("rule"), str) or not isinstance(data.get("priority"), str):
        return False
    try:
        Priority.named(data["priority"])
    except ValueError:
        return False
    return True


def _data(event: Mapping[str, Any]) -> Any:
    """The event's data, decoded. Raises Rejected."""
    if event.get("data") is not None or event.get("data_base64") is None:
        return event.get("data")
    try:
        raw = base64.b64decode(event["data_base64"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Rejected("data_base64", "is not base64") from None
    if _is_json(event.get("datacontenttype")):
        try:
            return loads(raw)
        except ValueError:
            pass  # It says JSON and is not: kept as text, for it is the sender's mistake and not the event's.
        except RecursionError:
            raise Rejected("data_base64", "is nested too deeply") from None
    return raw.decode("utf-8", "replace")


def _first(names: tuple[str, ...], *where: Mapping[str, Any]) -> str:
    """The first of these members that is a text and not empty."""
    found = (members.get(name) for members in where for name in names)
    return next((text for text in found if text and isinstance(text, str)), "")
