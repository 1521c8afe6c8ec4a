from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import definitions
from routing.definitions import LOOKUPS
from routing.faults import Fault
from routing.lookups import Tables
from routing.models import AuditEntry, Inhibition, Lookup, MaintenanceWindow
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

TEXT = "k8s.ns.name,team,channel\nshop,payments,#shop\n"
TEAM = "alert.lookup[teams.team] = payments"


@pytest.fixture
def teams(erin: User) -> Lookup:
    return definitions.save(LOOKUPS, None, {"name": "teams", "text": TEXT}, erin, NOW)


def test_a_table_is_asked_as_soon_as_it_is_made_or_changed(teams: Lookup, erin: User) -> None:
    def found() -> dict[str, Any]:
        return Tables().found(build.alert(output_fields={"k8s.ns.name": "shop"}))

    assert found() == {"teams.team": "payments", "teams.channel": "#shop"}
    definitions.save(LOOKUPS, teams, {"text": TEXT.replace("payments", "web")}, erin, NOW)
    assert found()["teams.team"] == "web"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Teams"}, "is not a name"),
        ({"text": ""}, "The table is empty"),
        ({"text": "k8s.ns.nam,team\n"}, "did you mean k8s.ns.name"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(changes: dict[str, str], said: str, erin: User) -> None:
    with pytest.raises(Fault, match=said) as fault:
        definitions.save(LOOKUPS, None, {"name": "teams", "text": TEXT, **changes}, erin, NOW)
    assert fault.value.field == "text"


def test_the_audit_log_keeps_a_digest_in_place_of_the_table(teams: Lookup, erin: User) -> None:
    definitions.save(LOOKUPS, teams, {"text": "k8s.ns.name,team\n"}, erin, NOW)
    definitions.delete(LOOKUPS, teams, erin, NOW)
    kept = list(AuditEntry.objects.values_list("before", "after"))
    assert "payments" not in repr(kept)
    assert len({facts["text"] for pair in kept for facts in pair if facts}) == 2


def stored(owner: str) -> str:
    """Something of a kind that asks the table; returns what it is called."""
    match owner:
        case "route":
            build.route(condition=TEAM)
            return "the route everything"
        case "group_by":
            build.route(group_by=["alert.lookup[teams.team]"])
            return "the route everything"
        case "window":
            MaintenanceWindow.objects.create(name="w", condition=TEAM, ends_at=NOW)
            return "the maintenance window w"
        case "action":
            build.action(condition=TEAM)
            return "the response action Kill the process"
    fields = {"source": "alert.rule = a", "target": "alert.rule = b", "equal": []}
    said = ["alert.lookup[teams.team]"] if owner == "equal" else TEAM
    Inhibition.objects.create(name="i", **{**fields, owner: said})
    return "the inhibition i"


@pytest.mark.parametrize("owner", ["route", "group_by", "window", "action", "source", "target", "equal"])
def test_what_something_asks_for_is_neither_deleted_nor_renamed(teams: Lookup, owner: str, erin: User) -> None:
    called = stored(owner)
    with pytest.raises(Fault, match=f"used by {called}"):
        definitions.delete(LOOKUPS, teams, erin, NOW)
    for changes in ({"name": "groups"}, {"text": "k8s.ns.name,channel\n"}):
        with pytest.raises(Fault, match=f"The column teams.team is still used by {called}"):
            definitions.save(LOOKUPS, teams, changes, erin, NOW)
    definitions.save(LOOKUPS, teams, {"text": "k8s.ns.name,team\n"}, erin, NOW)


def test_a_table_that_cannot_be_read_is_refused_also_where_it_is_asked(teams: Lookup, erin: User) -> None:
    stored("route")
    with pytest.raises(Fault, match="empty"):
        definitions.save(LOOKUPS, teams, {"text": ""}, erin, NOW)
