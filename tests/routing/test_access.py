import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from routing import access
from routing.access import may, requires, role_of
from routing.models import Role
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

TABLE = {
    # permission: viewer, responder, editor, admin, sensor
    "view": (True, True, True, True, False),
    "respond": (False, True, True, True, False),
    "approve": (False, True, True, True, False),
    "edit": (False, False, True, True, False),
    "administer": (False, False, False, True, False),
    "report": (False, False, False, False, True),
}


@pytest.mark.parametrize("permission", access.PERMISSIONS)
def test_each_role_may_exactly_this(permission):
    tokens = [build.token(role, secret=f"sa_{role}") for role in ("viewer", "responder", "editor", "admin", "sensor")]
    assert tuple(may(token, permission) for token in tokens) == TABLE[permission]


def test_people_have_their_members_role_and_are_viewers_without_one(alice, erin, bob, carol):
    assert [role_of(person) for person in (alice, erin, bob, carol)] == ["admin", "editor", "responder", "viewer"]
    assert role_of(User.objects.create(username="dave")) is Role.VIEWER


def test_strangers_closed_accounts_and_revoked_tokens_may_nothing(alice):
    alice.is_active = False
    revoked = build.token(role=Role.ADMIN, revoked_at=NOW)
    for who in (AnonymousUser(), alice, revoked):
        assert role_of(who) is None
        assert not may(who, "view")


def test_who_has_a_shell_on_the_server_may_everything_but_report():
    assert [permission for permission in TABLE if not may(access.Operator("command line"), permission)] == ["report"]


@requires("edit")
def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("the form")


def ask(user):
    request = RequestFactory().get("/sinks/?kind=slack")
    request.user = user
    return page(request)


def test_a_view_answers_who_may_refuses_who_may_not_and_sends_strangers_to_sign_in(erin, bob, settings):
    settings.LOGIN_URL = "/sign-in/"
    assert ask(erin).content == b"the form"
    with pytest.raises(PermissionDenied, match="Editor"):
        ask(bob)
    assert ask(AnonymousUser()).url == "/sign-in/?next=/sinks/%3Fkind%3Dslack"


def test_a_permission_that_does_not_exist_is_refused_when_the_view_is_defined():
    with pytest.raises(ValueError, match="'aprove' is not a permission"):
        requires("aprove")


def test_an_object_is_given_only_to_who_may_do_that_with_it(bob, carol):
    sink = build.sink()
    assert access.sink_for(carol, sink.pk) == sink
    with pytest.raises(PermissionDenied):
        access.sink_for(bob, sink.pk, to="edit")
    with pytest.raises(Http404):
        access.sink_for(bob, sink.pk + 1)


def test_who_may_not_look_cannot_tell_what_exists(bob):
    with pytest.raises(PermissionDenied):
        access.token_for(bob, 4711)
