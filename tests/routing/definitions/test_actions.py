from typing import Any

import pytest
from django.contrib.auth.models import User

from routing import definitions
from routing.actions.kill_process import LIFE_LINES
from routing.definitions import ACTIONS
from routing.faults import Fault
from routing.models import ActionRun, AuditEntry, ResponseAction
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db
KILL: dict[str, Any] = {"name": "kill miners", "kind": "kill_process", "condition": "proc.name = xmrig"}


def test_an_action_is_harmless_unless_something_else_is_said(erin: User) -> None:
    action = definitions.save(ACTIONS, None, KILL, erin, NOW)
    assert (action.mode, action.params) == (ResponseAction.Mode.DRY_RUN, {"protected": LIFE_LINES})
    changed = definitions.save(ACTIONS, action, {"mode": "automatic", "params": {"protected": "sshd"}}, erin, NOW)
    assert ACTIONS.facts_of(ResponseAction.objects.get()) == {
        **KILL,
        "mode": "automatic",
        "params": {"protected": "sshd"},
        "max_alert_age": 300,
        "approval_ttl": 900,
        "max_per_hour": 20,
    }
    assert changed.pk == action.pk
    assert AuditEntry.objects.get(verb="edit").before["mode"] == "dry_run"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"kind": "shoot"}, "kind", "no kind of response action called 'shoot'"),
        ({"condition": "proc.nmae = x"}, "condition", "did you mean proc.name"),
        ({"params": {"protect": "sshd"}}, "params.protect", "there are: protected"),
        ({"params": {"protected": True}}, "params.protected", "is a text"),
        ({"mode": "maybe"}, "mode", "'automatic'"),
        ({"max_alert_age": 0}, "max_alert_age", "greater"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(changes: dict[str, Any], field: str, said: str, erin: User) -> None:
    with pytest.raises(Fault) as fault:
        definitions.save(ACTIONS, None, {**KILL, **changes}, erin, NOW)
    assert (fault.value.field, said in str(fault.value)) == (field, True), str(fault.value)


def test_an_action_stays_of_its_kind(erin: User) -> None:
    action = build.action(kind="was_removed")
    with pytest.raises(Fault, match="is a was_removed and stays one"):
        definitions.save(ACTIONS, action, {"kind": "kill_process"}, erin, NOW)
    assert ACTIONS.facts_of(action)["params"] == {}


def test_an_action_that_a_route_asks_for_or_that_ran_is_not_deleted(erin: User) -> None:
    ran, unused, route = build.action(), build.action(name="unused"), build.route()
    ActionRun.objects.create(
        digest="d", action=ran, alert=build.alert(), mode="approve", target={}, requested_at=NOW, expires_at=NOW
    )
    with pytest.raises(Fault, match="switch it off instead"):
        definitions.delete(ACTIONS, ran, erin, NOW)
    route.actions.add(unused)
    with pytest.raises(Fault, match="still used by the route everything"):
        definitions.delete(ACTIONS, unused, erin, NOW)
    route.actions.clear()
    definitions.delete(ACTIONS, unused, erin, NOW)
    assert ResponseAction.objects.get() == ran
