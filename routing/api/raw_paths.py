"""The raw paths as the API's description tells them; Ninja describes the others by itself."""

from typing import Any

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
    "type": "object",
    "required": ["time", "rule", "priority"],
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "time": {"type": "string", "format": "date-time"},
        "rule": {"type": "string"},
        "priority": {"type": "string"},
        "source": {"type": "string", "default": "syscall"},
        "hostname": {"type": "string"},
        "output": {"type": "string"},
        "output_fields": {"type": "object"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "held_back": {"type": "integer", "default": 0},
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


DESCRIPTION: dict[str, dict[str, Any]] = {
    "alerts": {
        "post": {
            "operationId": "post_alerts",
            "summary": "Post alerts: one object, an array, or a line each; gzip allowed",
            "tags": ["alerts"],
            "security": [{"Bearer": []}],
            "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"oneOf": [ALERT, {"type": "array", "items": ALERT}]}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            "responses": {
                "202": {"description": "Stored: at least one alert was valid", **_json(COUNTS)},
                **_problems(
                    _400="Not JSON",
                    _401="No valid token",
                    _403="The token may not post alerts",
                    _408="The body took too long",
                    _413="Too many bytes or alerts",
                    _415="A content encoding other than gzip",
                    _422="JSON, but no valid alert in it",
                    _429="Too much is waiting; Retry-After says when to come back",
                    _503="Not stored; try again",
                ),
            },
        }
    },
    "actions/lease": {
        "post": {
            "operationId": "lease_actions",
            "summary": "Wait for actions to run on this node (long poll)",
            "tags": ["sensors"],
            "security": [{"Bearer": []}],
            "requestBody": {"required": True, **_json(WANTED)},
            "responses": {
                "200": {"description": "The runs handed out; none after the wait", **_json({"type": "object"})},
                **_problems(_401="No valid token", _409="The token does not speak for this node"),
            },
        }
    },
}
