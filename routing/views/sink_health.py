"""How a sink is doing, in one word, and what is wrong with it."""

from datetime import datetime

from routing import sinks
from routing.definitions.sinks import unreadable
from routing.models import Sink


def unusable(sink: Sink) -> str:
    """Why nothing can be sent to it from here, in a sentence; empty where something can."""
    kind = sinks.kinds().get(sink.kind)
    return (kind.missing() if kind else "") or unreadable(sink)


def trouble_of(sink: Sink) -> str:
    """What is wrong with it; empty where all is well."""
    return unusable(sink) or sink.disabled_reason or sink.warning or sink.last_error


def health_of(sink: Sink, now: datetime) -> tuple[str, str]:
    """Its badge's class and word."""
    if unusable(sink):
        return "bad", "Cannot be used"
    if sink.disabled_reason:
        return "bad", "Switched off"
    if not sink.enabled:
        return "paused", "Paused"
    if sink.open_until and sink.open_until > now:
        return "bad", "Failing, left alone"
    if sink.warning and not sink.failures:
        # It answers, and takes nothing.
        return "bad", "Rejects"
    if sink.warning:
        return "warn", "Warning"
    if sink.failures:
        return "warn", "Retrying"
    return ("ok", "OK") if sink.last_sent_at else ("", "Unproven")
