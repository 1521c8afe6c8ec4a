"""What people configure by a name, beside routes and silences: one way to write it down, change and delete it."""

from routing.definitions.actions import ACTIONS
from routing.definitions.base import Definition, delete, save
from routing.definitions.quiet import INHIBITIONS, INTERVALS, WINDOWS
from routing.definitions.sinks import SINKS
from routing.definitions.tables import LOOKUPS

__all__ = ["ACTIONS", "INHIBITIONS", "INTERVALS", "LOOKUPS", "SINKS", "WINDOWS", "Definition", "delete", "save"]
