"""The raw paths as the API's description tells them; Ninja describes the others by itself."""

from typing import Any

from sensor.alert import Priority

PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
ALERT = {
    "title": "Alert",
    "type": "object",
    "required": ["time", "rule", "priority"],
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "time": {"type": "string", "format": "date-time"},
        "rule": {"type": "string"},
        "priority": {"enum": [priority.label for priority in Priority]},
        "source": {"type": "string", "default": "syscall"},
        "hostname": {"type": "string"},
        "output": {"type": "string"},
        "output_fields": {"type": "object"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "held_back": {"type": "integer", "default": 0},
    },
}
WEBHOOK = {
    "title": "Alertmanager's webhook",
    "type": "object",
    "required": ["alerts"],
    "properties": {
        "receiver": {"type": "string"},
        "alerts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["status", "labels", "startsAt"],
                "properties": {
                    "status": {"enum": ["firing", "resolved"]},
                    "labels": {
                        "type": "object",
                        "required": ["alertname"],
                        "additionalProperties": {"type": "string"},
                    },
                    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
                    "startsAt": {"type": "string", "format": "date-time"},
                    "endsAt": {"type": "string", "format": "date-time"},
                    "generatorURL": {"type": "string"},
                    "fingerprint": {"type": "string"},
                },
            },
        },
    },
}
ATTRIBUTES = ["specversion", "id", "source", "type", "time"]
EVENT_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "specversion": {"enum": ["1.0"]},
    "id": {"type": "string", "minLength": 1},
    "source": {"type": "string", "minLength": 1},
    "type": {"type": "string", "minLength": 1},
    "time": {"type": "string", "format": "date-time"},
    "subject": {"type": "string"},
}
EVENT = {
    "title": "CloudEvent",
    "type": "object",
    "required": ATTRIBUTES,
    "properties": {
        **EVENT_ATTRIBUTES,
        "datacontenttype": {"type": "string"},
        "data": {},
        "data_base64": {"type": "string"},
    },
}
COUNTS = {
    "type": "object",
    "properties": {
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"},
                    "field": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}
WANTED = {
    "type": "object",
    "required": ["hostname", "kinds"],
    "properties": {
        "hostname": {"type": "string"},
        "kinds": {"type": "array", "items": {"type": "string"}},
        "wait": {"type": "number", "maximum": 25},
    },
}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _problems(**statuses: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {status[1:]: {"description": text, "content": content} for status, text in statuses.items()}


def _header(name: str, description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema or {"type": "string"}}


def _posting(status: str, operation: str, summary: str, security: list[Any], **more: Any) -> dict[str, Any]:
    """A post of alerts, which all the paths that take them read alike."""
    known = [ALERT, WEBHOOK, EVENT]
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["alerts"],
        "security": security,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"anyOf": [*known, {"type": "array", "items": {"anyOf": known}}]}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/cloudevents+json": {"schema": EVENT},
                "application/cloudevents-batch+json": {"schema": {"type": "array", "items": EVENT}},
            },
        },
        "responses": {
            status: {"description": "Stored: at least one alert was valid", **_json(COUNTS)},
            **_problems(
                _400="Not JSON",
                _401="No valid token",
                _403="The token may not post alerts",
                _408="The body took too long",
                _413="Too many bytes or alerts",
                _415="A content encoding other than gzip, or CloudEvents that are not JSON",
                _422="JSON, but no valid alert in it",
                _429="Too many alerts; Retry-After says when to come back",
                _503="Not stored; try again",
            ),
        },
        **more,
    }


HEADERS = [
    _header("Idempotency-Key", "With index and time the identity of alerts that have none"),
    *(_header(f"ce-{name}", "CloudEvents, binary mode", EVENT_ATTRIBUTES[name]) for name in (*ATTRIBUTES, "subject")),
]
IN_URL = {"name": "token", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
SECURITY: dict[str, Any] = {"Token header": {"type": "apiKey", "in": "header", "name": "X-Sensorapp-Token"}}
"""Beside Ninja's own."""
IN_HEADER: list[Any] = [{"Bearer": []}, {"Token header": []}]
REFUSED = _problems(_4XX="Refused")
"""What every other operation may answer; the table in docs/api.md says which status means what."""
DESCRIPTION: dict[str, dict[str, Any]] = {
    "/api/v1/alerts": {
        "post": _posting(
            "202",
            "post_alerts",
            "Post alerts: one object, an array, or a line each; gzip allowed",
            IN_HEADER,
            parameters=HEADERS,
        )
    },
    "/ingest/{token}/": {
        "post": _posting(
            "200",
            "ingest",
            "Post alerts, for senders that can only be given a URL",
            [],
            parameters=[IN_URL, *HEADERS],
        )
    },
    "/ingest/": {
        "post": _posting("200", "ingest_with_header", "The same, the token in a header", IN_HEADER, parameters=HEADERS)
    },
    "/api/v1/actions/lease": {
        "post": {
            "operationId": "lease_actions",
            "summary": "Wait for actions to run on this node (long poll)",
            "tags": ["sensors"],
            "security": [{"Bearer": []}],
            "requestBody": {"required": True, **_json(WANTED)},
            "responses": {
                "200": {"description": "The runs handed out; none after the wait", **_json({"type": "object"})},
                **_problems(
                    _400="Not JSON",
                    _401="No valid token",
                    _403="The token is not a sensor's",
                    _408="The body took too long",
                    _409="The token does not speak for this node",
                    _413="Too many bytes",
                    _415="A content encoding other than gzip",
                    _422="JSON, but not this",
                ),
            },
        }
    },
}
