"""What people configure by a name, beside routes and silences: one way to write it down, change and delete it."""

from routing.definitions.base import Definition, delete, save
from routing.definitions.quiet import INHIBITIONS, INTERVALS, WINDOWS
from routing.definitions.tables import LOOKUPS

__all__ = ["INHIBITIONS", "INTERVALS", "LOOKUPS", "WINDOWS", "Definition", "delete", "save"]
