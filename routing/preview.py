"""What a silence would hide: among the alerts of the last day, and among the groups that fire now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from routing import finding, lookups, matching
from routing.models import Alert, AlertGroup
from routing.standing import newest_of

# A condition may ask what no database can answer, so alerts are tried one by one, the newest first.
TRIED = 5000
SHOWN = 5
MOST_GROUPS = 200


@dataclass(frozen=True)
class Preview:
    """The effect of a condition."""

    matched: int
    tried: int
    whole: bool
    """Whether `tried` is all of the last day."""
    examples: list[Alert]
    firing: list[AlertGroup]


def preview(condition: str, now: datetime) -> Preview:
    """Try a condition on what is stored. Raises RuleError where it cannot be read."""
    holds = lookups.asking(matching.compile(condition), condition)
    recent = finding.between(now - timedelta(hours=24), None).order_by("-pk").select_related("sensor")
    alerts = list(recent[: TRIED + 1])
    matched = [alert for alert in alerts[:TRIED] if holds(alert)]
    groups = AlertGroup.objects.filter(state=AlertGroup.State.FIRING).order_by("priority", "-last_seen_at")[
        :MOST_GROUPS
    ]
    newest = newest_of(groups)
    hidden = [group for group in groups if group.pk in newest and holds(newest[group.pk])]
    return Preview(len(matched), min(len(alerts), TRIED), len(alerts) <= TRIED, matched[:SHOWN], hidden)
