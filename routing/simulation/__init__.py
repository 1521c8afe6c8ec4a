"""What would become of alerts, in the stored tree of routes or in a draft of it. Nothing is written, nobody is told."""

from routing.simulation.drafts import tree_of
from routing.simulation.given import NoAlert, alert_of
from routing.simulation.many import Recent, recent
from routing.simulation.one import Simulation, simulate

__all__ = ["NoAlert", "Recent", "Simulation", "alert_of", "recent", "simulate", "tree_of"]
