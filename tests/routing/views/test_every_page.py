"""What holds for all pages: who may see them, how they are built, and that looking changes nothing."""

import re
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from routing import urls
from routing.access import PERMISSIONS
from tests.routing.views.conftest import Page

ROLES = {"view": 0, "respond": 1, "approve": 1, "edit": 2, "administer": 3}
CAST = ["carol", "bob", "erin", "alice"]
OPEN_TO_ALL = {"sign-in", "sign-out"}
POSTS = {
    "alerts-acknowledge",
    "group-acknowledge",
    "group-withdraw",
    "group-comment",
    "group-assign",
    "group-unassign",
    "alert-respond",
    "alert-assign",
    "alert-unassign",
    "alert-comment",
    "run-approve",
    "run-deny",
    "action-delete",
    "silence-extend",
    "silence-end",
    "window-delete",
    "inhibition-delete",
    "interval-delete",
    "lookup-delete",
    "rules-publish",
    "rule-file-enable",
    "route-move",
    "route-restore",
    "route-delete",
    "sink-preview",
    "sink-test",
    "sink-pause",
    "sink-resume",
    "sink-delete",
    "deliveries-retry",
    "deliveries-discard",
    "delivery-retry",
    "delivery-try",
    "delivery-discard",
    "token-revoke",
    "audit-verify",
}
PATTERNS = {pattern.name: pattern for pattern in urls.urlpatterns if hasattr(pattern, "name")}
GUARDED = sorted(set(PATTERNS) - OPEN_TO_ALL)
PAGES = sorted(set(GUARDED) - POSTS)


def address(name: str, world: SimpleNamespace) -> str:
    """The page's address in this world."""
    owner = name.split("-")[0]
    things = {
        "alert": {"uuid": world.alert.uuid},
        "run": {"uuid": world.run.uuid},
        "group": {"pk": world.group.pk},
        "action": {"pk": world.action.pk},
        "silence": {"pk": world.silence.pk},
        "route": {"pk": world.route.pk},
        "sink": {"pk": world.sink.pk},
        "delivery": {"pk": world.delivery.pk},
        "window": {"pk": world.window.pk},
        "inhibition": {"pk": world.inhibition.pk},
        "interval": {"pk": world.interval.pk},
        "lookup": {"pk": world.lookup.pk},
        "token": {"pk": world.token.pk},
        "rule": {"pk": world.file.pk, "number": world.ruleset.number},
    }
    special = {"sink-new": {"kind": "slack"}, "sink-preview": {"kind": "slack"}, "action-new": {"kind": "kill_process"}}
    wanted = set(PATTERNS[name].pattern.converters)
    given = special.get(name) or {key: value for key, value in things.get(owner, {}).items() if key in wanted}
    return reverse(name, kwargs=given)


@pytest.mark.parametrize("name", GUARDED)
def test_every_view_asks_for_a_permission(name: str) -> None:
    assert PATTERNS[name].callback.permission in PERMISSIONS


@pytest.mark.parametrize("name", GUARDED)
def test_a_stranger_is_sent_to_sign_in(name: str, client: Client, world: SimpleNamespace) -> None:
    send = client.post if name in POSTS else client.get
    answer = send(address(name, world))
    assert answer.status_code == 302
    assert answer.url.startswith("/sign-in/?next=")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("person", CAST)
def test_a_page_is_shown_to_those_who_may_and_refused_to_others(
    name: str, person: str, as_user, world: SimpleNamespace, request: pytest.FixtureRequest
) -> None:
    client = as_user(request.getfixturevalue(person))
    needed = ROLES[PATTERNS[name].callback.permission]
    expected = 200 if CAST.index(person) >= needed else 403
    assert client.get(address(name, world)).status_code == expected


@pytest.mark.parametrize("name", sorted(POSTS))
def test_looking_changes_nothing(name: str, as_user, alice, world: SimpleNamespace) -> None:
    assert as_user(alice).get(address(name, world)).status_code == 405


@pytest.mark.parametrize("name", sorted(POSTS))
def test_a_viewer_changes_nothing(name: str, as_user, carol, world: SimpleNamespace) -> None:
    assert as_user(carol).post(address(name, world)).status_code == 403


@pytest.mark.parametrize("name", sorted(POSTS))
def test_a_change_without_the_csrf_token_is_refused(name: str, alice, world: SimpleNamespace) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(address(name, world)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_sound_html(name: str, as_user, alice, world: SimpleNamespace) -> None:
    html = as_user(alice).get(address(name, world)).content.decode()
    page = Page(html)
    assert page.mismatched == []
    if not html.startswith("<!doctype"):
        return
    assert len(page.all("h1")) == 1
    assert [element.tag for element in page.open] == []
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert sorted(ids) == sorted(set(ids))
    labelled = {label.attributes.get("for") for label in page.all("label")}
    for element in page.elements:
        said = element.attributes
        assert "style" not in said
        assert [key for key in said if re.match(r"on[a-z]|hx-on|hx-vals$", key)] == []
        assert int(said.get("tabindex", 0)) <= 0
        if element.tag in ("input", "select", "textarea") and said.get("type") != "hidden":
            assert said.get("id") in labelled or "aria-label" in said or "label" in element.inside, said
        if element.tag == "a" and "hx-get" in said:
            assert said["href"] == said["hx-get"]
        if element.tag in ("a", "button"):
            assert element.text.strip() or "aria-label" in said or "hidden" in said, said
    assert page.all("style") == []
    assert len(page.all("caption")) == len(page.all("table"))


@pytest.mark.parametrize("name", PAGES)
def test_what_an_attacker_wrote_is_text(name: str, as_user, alice, world: SimpleNamespace) -> None:
    assert "<script>alert(1)" not in as_user(alice).get(address(name, world)).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_no_page_shows_a_secret(name: str, as_user, alice, world: SimpleNamespace) -> None:
    assert "SECRET" not in as_user(alice).get(address(name, world)).content.decode()


def test_pages_allow_no_foreign_script(as_user, carol, world: SimpleNamespace) -> None:
    answer = as_user(carol).get("/")
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert [script.attributes["src"][:1] for script in Page(answer.content.decode()).all("script")] == ["/"] * 4


def test_the_frame_costs_few_queries(as_user, carol, world: SimpleNamespace, django_assert_max_num_queries) -> None:
    client = as_user(carol)
    with django_assert_max_num_queries(6):  # session, user, member, the frame's one, the newest ruleset, the sensors
        client.get("/sensors/")


@pytest.mark.parametrize("path", ["/nowhere/", "/sinks/999/", "/sinks/new/carrier-pigeon/"])
def test_what_is_not_there_says_so(path: str, as_user, alice, world: SimpleNamespace) -> None:
    answer = as_user(alice).get(path)
    assert answer.status_code == 404
    assert "Nothing here" in answer.content.decode()


def test_a_refusal_says_which_role_it_takes(as_user, carol, world: SimpleNamespace) -> None:
    answer = as_user(carol).get("/routes/new/")
    assert answer.status_code == 403
    assert "the role Editor or more" in answer.content.decode()
