"""The sections of a configuration file, in the order in which one can be made from those before it."""

from typing import Any

from routing.definitions import ACTIONS, INHIBITIONS, INTERVALS, LOOKUPS, SINKS, WINDOWS, Definition
from routing.shapes import BranchShape, Shape, SilenceShape

DEFINED: dict[str, Definition[Any, Any]] = {
    "intervals": INTERVALS,
    "lookups": LOOKUPS,
    "sinks": SINKS,
    "actions": ACTIONS,
    "inhibitions": INHIBITIONS,
    "windows": WINDOWS,
}
ROUTES = "routes"
SILENCES = "silences"
BEFORE_ROUTES = ("intervals", "lookups", "sinks", "actions")
AFTER_ROUTES = ("inhibitions", "windows")
ORDER = (*BEFORE_ROUTES, ROUTES, *AFTER_ROUTES, SILENCES)

SHAPES: dict[str, type[Shape]] = {
    name: BranchShape if name == ROUTES else SilenceShape if name == SILENCES else DEFINED[name].shape for name in ORDER
}
NOUNS = {name: name.removesuffix("s") if name in (ROUTES, SILENCES) else DEFINED[name].noun for name in ORDER}
