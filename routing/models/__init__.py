"""What is stored: facts (alerts), intentions (deliveries, action runs) and what people configure."""

from routing.models.action import ActionRun, ResponseAction
from routing.models.alert import Acknowledgement, Alert, AlertDay, AlertGroup, Comment, GroupedAlert, Unrouted
from routing.models.assignment import Assignment
from routing.models.audit import AuditEntry
from routing.models.lookup import Lookup
from routing.models.member import Member, Role, Token
from routing.models.route import EscalationStep, Route, RouteVersion
from routing.models.rule import RuleFile, Ruleset
from routing.models.sensor import Sensor
from routing.models.silence import Inhibition, InhibitionSource, MaintenanceWindow, Silence, TimeInterval
from routing.models.sink import Attempt, Delivery, Receipt, Sink

__all__ = [
    "Acknowledgement",
    "ActionRun",
    "Alert",
    "AlertDay",
    "AlertGroup",
    "Assignment",
    "Attempt",
    "AuditEntry",
    "Comment",
    "Delivery",
    "EscalationStep",
    "GroupedAlert",
    "Inhibition",
    "InhibitionSource",
    "Lookup",
    "MaintenanceWindow",
    "Member",
    "Receipt",
    "ResponseAction",
    "Role",
    "Route",
    "RouteVersion",
    "RuleFile",
    "Ruleset",
    "Sensor",
    "Silence",
    "Sink",
    "TimeInterval",
    "Token",
    "Unrouted",
]
