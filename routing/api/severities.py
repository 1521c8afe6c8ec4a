"""How other systems call a severity, as a priority."""

from sensor.alert import Priority

WORDS = {
    Priority.EMERGENCY: ("emergency", "emerg", "panic"),
    Priority.ALERT: ("alert",),
    Priority.CRITICAL: ("critical", "crit", "fatal", "page", "disaster"),
    Priority.ERROR: ("error", "err", "major", "high"),
    Priority.WARNING: ("warning", "warn", "minor", "medium", "moderate"),
    Priority.NOTICE: ("notice", "low"),
    Priority.INFORMATIONAL: ("informational", "information", "info", "none"),
    Priority.DEBUG: ("debug", "trace"),
}
_PRIORITIES = {word: priority for priority, words in WORDS.items() for word in words}


def priority_of(word: object, default: Priority) -> Priority:
    """The priority that a word means, in any case; `default` where it is not in the table, or no text."""
    return _PRIORITIES.get(word.strip().lower(), default) if isinstance(word, str) else default
