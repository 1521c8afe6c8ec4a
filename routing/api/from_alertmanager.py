"""What Alertmanager's webhook posts: a group of alerts that fire or are resolved (prometheus.io, "webhook_config").

An alert is posted again as long as it fires; its fingerprint (a hash of the labels), its start and its status tell
repeats from news. The end is an alert of its own: a fact, of a priority that wakes nobody, and no group's news
(`routing.endings`).
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import orjson

from routing.admission import Posted, Rejected, Told, typed
from routing.api.severities import priority_of
from routing.endings import FIRING, RESOLVED, SOURCE, STATUS
from sensor.alert import Priority

HOSTS = ("node", "host", "hostname", "instance")
"""Labels that name the host, the best first; of `instance` the port is left out."""
FIELDS = {"namespace": "k8s.ns.name", "pod": "k8s.pod.name", "container": "container.name"}
"""Labels that are also told under the name that our sensors use, so that conditions and searches find both."""
_NEVER = "0001-"
"""How Go spells a time that was not set: the end of what still fires."""
_PORT = re.compile(r":\d+$")


def recognises(value: Mapping[str, Any]) -> bool:
    """Whether this is a webhook of Alertmanager, or of Grafana, which writes the same."""
    return "alerts" in value and "rule" not in value


def alerts(value: Mapping[str, Any]) -> list[Posted | Rejected]:
    """Its alerts, in order; each that cannot be told is a Rejected, and costs its neighbours nothing."""
    told = value["alerts"]
    if not isinstance(told, list):
        return [Rejected("alerts", "must be an array")]
    group = {
        "alertmanager.receiver": value.get("receiver"),
        "alertmanager.group_key": value.get("groupKey"),
        "alertmanager.url": value.get("externalURL"),
        "alertmanager.truncated": value.get("truncatedAlerts"),
    }
    return [_alert_or_reason(one, group) for one in told]


def _alert_or_reason(told: object, group: Mapping[str, Any]) -> Posted | Rejected:
    try:
        return _alert(told, group)
    except Rejected as error:
        return error


def _alert(told: object, group: Mapping[str, Any]) -> Posted:
    if not isinstance(told, dict):
        raise Rejected("", "must be a JSON object")
    labels, annotations = _object(told, "labels"), _object(told, "annotations")
    rule, starts, status = labels.get("alertname"), told.get("startsAt"), told.get("status")
    if not rule:
        raise Rejected("labels.alertname", "is missing")
    if status not in (FIRING, RESOLVED):
        raise Rejected("status", f"must be {FIRING} or {RESOLVED}")
    if not isinstance(starts, str):
        raise Rejected("startsAt", "is missing")
    resolved, ends = status == RESOLVED, told.get("endsAt")
    ended = resolved and isinstance(ends, str) and not ends.startswith(_NEVER)
    fingerprint = told.get("fingerprint")
    if not fingerprint or not isinstance(fingerprint, str):
        fingerprint = _hash(labels)
    fields = {
        "alertmanager.fingerprint": fingerprint,
        STATUS: status,
        "alertmanager.starts_at": starts,
        "alertmanager.ends_at": ends if ended else None,
        "alertmanager.generator_url": told.get("generatorURL"),
        **group,
        **{name: labels.get(label) for label, name in FIELDS.items()},
    }
    return typed(
        {
            "time": ends if ended else starts,
            "rule": rule,
            "priority": (
                Priority.INFORMATIONAL if resolved else priority_of(labels.get("severity"), Priority.WARNING)
            ).label,
            "source": SOURCE,
            "hostname": _host(labels),
            "output": ("Resolved: " if resolved else "") + (_summary(annotations) or str(rule)),
            "output_fields": {
                **{name: value for name, value in fields.items() if value},
                **{f"labels.{name}": value for name, value in labels.items()},
                **{f"annotations.{name}": value for name, value in annotations.items()},
            },
            "tags": [status],
            "known_by": [SOURCE, fingerprint, starts, status],
        },
        Told,
    )


def _object(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = told.get(name) or {}
    if not isinstance(found, dict):
        raise Rejected(name, "must be a JSON object")
    return found


def _hash(labels: Mapping[str, Any]) -> str:
    """Stands for the fingerprint, which Alertmanager writes since its version 0.19."""
    texts = sorted((name, value) for name, value in labels.items() if isinstance(value, str))
    return hashlib.blake2b(orjson.dumps(texts), digest_size=8).hexdigest()


def _host(labels: Mapping[str, Any]) -> str:
    for name in HOSTS:
        host = labels.get(name)
        if host and isinstance(host, str):
            return _PORT.sub("", host) if name == "instance" else host
    return ""


def _summary(annotations: Mapping[str, Any]) -> str:
    said = [annotations.get("summary"), annotations.get("description") or annotations.get("message")]
    return ": ".join(part for part in said if part and isinstance(part, str))
