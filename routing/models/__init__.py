"""What is stored: facts (alerts), intentions (deliveries, action runs) and what people configure."""

from routing.models.action import ActionRun, ResponseAction
from routing.models.alert import Acknowledgement, Alert, AlertDay, AlertGroup, Comment, GroupedAlert, Unrouted
from routing.models.audit import AuditEntry
from routing.models.member import Member, Role, Token
from routing.models.route import Route, Silence
from routing.models.rule import RuleFile, Ruleset
from routing.models.sensor import Sensor
from routing.models.sink import Attempt, Delivery, Sink

__all__ = [
    "Acknowledgement",
    "ActionRun",
    "Alert",
    "AlertDay",
    "AlertGroup",
    "Attempt",
    "AuditEntry",
    "Comment",
    "Delivery",
    "GroupedAlert",
    "Member",
    "ResponseAction",
    "Role",
    "Route",
    "RuleFile",
    "Ruleset",
    "Sensor",
    "Silence",
    "Sink",
    "Token",
    "Unrouted",
]
