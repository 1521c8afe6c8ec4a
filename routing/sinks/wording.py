"""How an alert is put into words and colours, the same in every product that people read."""

from routing.sinks.base import AlertFacts, Message
from sensor.alert import Priority

COLOURS = {
    Priority.EMERGENCY: "#8b0000",
    Priority.ALERT: "#b00020",
    Priority.CRITICAL: "#d32f2f",
    Priority.ERROR: "#e65100",
    Priority.WARNING: "#f9a825",
    Priority.NOTICE: "#1976d2",
    Priority.INFORMATIONAL: "#546e7a",
    Priority.DEBUG: "#90a4ae",
}
GREEN = "#2e7d32"
"""For what is over."""

# Label and the detection fields that fill it, the first that is there.
_FACTS = (
    ("Container", ("container.name", "container.id")),
    ("Image", ("container.image.repository", "container.image")),
    ("Namespace", ("k8s.ns.name", "ka.target.namespace")),
    ("Pod", ("k8s.pod.name", "ka.target.pod.name")),
    ("User", ("user.name", "user.loginname", "ka.user.name", "user.uid")),
    ("File", ("fd.name", "evt.arg.path", "fs.path.name")),
)
_ABSENT = (None, "", "<NA>", "host")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, with an ellipsis where some were left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str) -> str:
    """`text` without line breaks and other control characters, for subjects, titles and headers."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def headline(message: Message) -> str:
    """The message in one line: what, how bad, where; or as the sink's template words it."""
    if message.title:
        return one_line(message.title)
    group = message.group
    where = f" on {message.newest.hostname}" if message.newest.hostname else ""
    more = f" (and {_more(message)})" if message.alert_count > 1 else ""
    state = {"resolved": "Resolved", "acknowledged": "Acknowledged", "test": "Test"}.get(message.event)
    return one_line(f"{state or group.priority.label}: {group.title}{where}{more}")


def text(message: Message) -> str:
    """What happened: the newest alert's text, or as the sink's template words it; never empty."""
    said = message.body or message.newest.output
    return said if said.strip() else headline(message)


def _more(message: Message) -> str:
    """What else the message stands for; a digest says that it is one."""
    count, others = message.alert_count - 1, message.other_groups
    if not others:
        return f"{count} more"
    return f"{count} more of this rule, from {others} other group{'s' if others > 1 else ''}"


def colour(message: Message) -> str:
    """The priority's colour, or green for what is over."""
    return GREEN if message.event == "resolved" else COLOURS[message.group.priority]


def facts(alert: AlertFacts) -> list[tuple[str, str]]:
    """What a reader wants to know at a glance, as label and value; what is not known is left out."""
    found = [("Rule", alert.rule), ("Priority", alert.priority.label)]
    if alert.hostname:
        found.append(("Host", alert.hostname))
    for label, names in _FACTS:
        value = next((alert.output_fields[n] for n in names if alert.output_fields.get(n) not in _ABSENT), None)
        if value is not None:
            found.append((label, one_line(str(value))))
    return found


def process_tree(alert: AlertFacts) -> str:
    """The process and its ancestors, eldest first: `systemd → sshd → bash → cat (4242)`; empty where unknown."""
    fields = alert.output_fields
    name = fields.get("proc.name")
    if name in _ABSENT:
        return ""
    ancestors = []
    for depth in range(1, 10):
        ancestor = fields.get(f"proc.aname[{depth}]") or (fields.get("proc.pname") if depth == 1 else None)
        if ancestor in _ABSENT:
            break
        ancestors.append(str(ancestor))
    pid = fields.get("proc.pid")
    last = f"{name} ({pid})" if pid is not None else str(name)
    return one_line(" → ".join([*reversed(ancestors), last]))


def command_line(alert: AlertFacts) -> str:
    """What was run, as it was typed; empty where unknown."""
    value = alert.output_fields.get("proc.cmdline")
    return "" if value in _ABSENT else str(value)
