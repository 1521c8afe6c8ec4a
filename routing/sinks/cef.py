"""An alert in ArcSight's Common Event Format, version 0.

"Micro Focus Security ArcSight Common Event Format": seven header fields between pipes, in which backslashes and pipes
are escaped, and an extension of name=value pairs, in which backslashes, equal signs and line breaks are.
"""

from routing.sinks.base import AlertFacts
from routing.sinks.lengths import fitted, utf8
from sensor.alert import Priority

_SEVERITIES = {
    Priority.EMERGENCY: 10,
    Priority.ALERT: 9,
    Priority.CRITICAL: 8,
    Priority.ERROR: 7,
    Priority.WARNING: 5,
    Priority.NOTICE: 3,
    Priority.INFORMATIONAL: 2,
    Priority.DEBUG: 1,
}
_ABSENT = (None, "", "<NA>")
_BREAKS = {"\n": "\\n", "\r": "\\r"}
# Name in CEF, label of a custom field, and the detection fields that fill it, the first that is there. The names and
# their lengths are those of CEF's dictionary.
_FIELDS = (
    ("sproc", "", 1023, ("proc.name",)),
    ("spid", "", 20, ("proc.pid",)),
    ("suser", "", 1023, ("user.name", "ka.user.name")),
    ("filePath", "", 1023, ("fd.name", "evt.arg.path", "fs.path.name")),
    ("cs1", "Container", 1000, ("container.name", "container.id")),
    ("cs2", "Namespace", 1000, ("k8s.ns.name", "ka.target.namespace")),
    ("cs3", "Pod", 1000, ("k8s.pod.name", "ka.target.pod.name")),
    ("cs4", "CommandLine", 4000, ("proc.cmdline",)),
)


def _in_header(character: str) -> str:
    return f"\\{character}" if character in "\\|" else character if character.isprintable() else " "


def _in_extension(character: str) -> str:
    if character in "\\=":
        return f"\\{character}"
    return _BREAKS.get(character) or (character if character.isprintable() else " ")


def line(alert: AlertFacts, most: int) -> str:
    """The alert as one line of at most `most` bytes: pairs that do not fit any more are left out."""
    rule = fitted(alert.rule or "alert", 500, spell=_in_header, size=utf8)
    parts = [f"CEF:0|sensorapp|sensorapp|1|{rule}|{rule}|{_SEVERITIES[alert.priority]}|"]
    left = most - utf8(parts[0])
    for name, value, longest, label in _pairs(alert):
        pair = f"{name}={fitted(str(value), longest, spell=_in_extension)} " + (
            f"{name}Label={label} " if label else ""
        )
        if utf8(pair) <= left + 1:
            parts.append(pair)
            left -= utf8(pair)
    return "".join(parts).rstrip(" ")


def _pairs(alert: AlertFacts) -> list[tuple[str, object, int, str]]:
    """Name, value, longest and label of what is known, the most telling first."""
    pairs: list[tuple[str, object, int, str]] = [
        ("rt", int(alert.time.timestamp() * 1000), 20, ""),
        ("externalId", alert.uuid, 40, ""),
        ("dvchost", alert.hostname, 100, ""),
        ("cat", alert.source, 100, ""),
        ("request", alert.url, 1023, ""),
        ("msg", alert.output, 1023, ""),
    ]
    for name, label, longest, sources in _FIELDS:
        found = (alert.output_fields.get(source) for source in sources)
        pairs.append((name, next((value for value in found if value not in _ABSENT), ""), longest, label))
    return [pair for pair in pairs if pair[1] != ""]
