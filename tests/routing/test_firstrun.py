import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from routing import firstrun, matching, tree
from routing.access import role_of
from routing.models import ActionRun, AuditEntry, ResponseAction, Role, Route, Ruleset, Token
from routing.models.member import digest_of
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def test_the_first_administrator_gets_a_password_that_is_told_once():
    first = firstrun.prepare(NOW)
    user = User.objects.get(username=first.username)
    assert user.check_password(first.password)
    assert role_of(user) is Role.ADMIN
    again = firstrun.prepare(LATER)
    assert (again.username, again.password) == ("admin", None)
    assert first.password not in str(AuditEntry.objects.values_list("after", "target"))


def test_a_given_password_is_taken_and_not_repeated(rf):
    assert firstrun.prepare(NOW, admin_password="correct horse battery").password is None
    assert authenticate(rf.get("/"), username="admin", password="correct horse battery")


def test_a_later_password_does_not_replace_the_one_in_use(rf):
    firstrun.prepare(NOW, admin_password="correct horse battery")
    firstrun.prepare(LATER, admin_password="somebody else's guess")
    assert not authenticate(rf.get("/"), username="admin", password="somebody else's guess")


def test_a_closed_administrator_account_is_not_opened_again():
    firstrun.prepare(NOW)
    User.objects.update(is_active=False)
    assert firstrun.prepare(LATER, admin_password="another one entirely").password is None
    assert not User.objects.get().is_active


def test_this_nodes_sensor_gets_a_token_that_only_this_user_can_read(data_dir):
    firstrun.prepare(NOW)
    path = data_dir / "keys" / "sensor_token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = Token.objects.get(digest=digest_of(path.read_text()))
    assert (token.role, token.hostname) == (Role.SENSOR, "")
    firstrun.prepare(LATER)
    assert Token.objects.count() == 1


def test_a_revoked_token_of_this_node_is_replaced(data_dir):
    firstrun.prepare(NOW)
    Token.objects.update(revoked_at=NOW)
    firstrun.prepare(LATER)
    kept = Token.objects.get(digest=digest_of((data_dir / "keys" / "sensor_token").read_text()))
    assert kept.revoked_at is None


def test_the_starter_routes_take_every_alert_and_tell_the_worst_at_once():
    firstrun.prepare(NOW)
    routes = list(Route.objects.all())
    grown = tree.load()
    taken = {name: matching.nodes_for(build.alert(name), grown) for name in ("critical", "emergency", "debug")}
    assert {name: [node.name for node in found] for name, found in taken.items()} == {
        "critical": ["Critical and above"],
        "emergency": ["Critical and above"],
        "debug": ["Everything else"],
    }
    assert routes[0].group_wait == 0
    assert routes[1].group_by == ["alert.rule", "alert.hostname"]
    assert [route.versions.get().number for route in routes] == [1, 1]


def test_the_starter_action_is_a_dry_run_that_no_route_asks_for():
    firstrun.prepare(NOW)
    action = ResponseAction.objects.get()
    assert (action.kind, action.mode) == ("kill_process", "dry_run")
    assert not action.routes.exists()
    assert not ActionRun.objects.exists()


def test_what_somebody_deleted_does_not_come_back():
    firstrun.prepare(NOW)
    Route.objects.all().delete()
    ResponseAction.objects.all().delete()
    firstrun.prepare(LATER)
    assert not Route.objects.exists()
    assert not ResponseAction.objects.exists()


def test_the_shipped_rules_are_published():
    firstrun.prepare(NOW)
    assert Ruleset.objects.get().number == 1
