import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from routing.models import AuditEntry, Sink
from tests import build

pytestmark = pytest.mark.django_db


def shown(client, name, *args):
    response = client.get(reverse(f"admin:{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_every_stored_row_can_be_looked_at_and_none_changed(alice, as_user):
    client = as_user(alice)
    build.alert(sensor=build.sensor())
    for model, options in admin.site._registry.items():
        if model._meta.app_label != "routing":
            continue
        assert shown(client, f"routing_{model._meta.model_name}_changelist")
        request = type("Request", (), {"user": alice})()
        assert not options.has_add_permission(request)
        assert not options.has_change_permission(request)
        assert not options.has_delete_permission(request)


def test_a_sinks_secrets_are_not_shown(alice, as_user):
    sink = build.sink(secrets={"url": "https://hooks.test/hush"})
    page = shown(as_user(alice), "routing_sink_change", sink.pk)
    assert sink.name in page
    assert "hush" not in page


def test_a_change_of_somebodys_role_is_remembered(alice, carol, as_user):
    page = {
        "username": "carol",
        "is_active": "on",
        "date_joined_0": "2026-11-23",
        "date_joined_1": "12:00:00",
        "member-TOTAL_FORMS": "1",
        "member-INITIAL_FORMS": "1",
        "member-0-id": carol.member.pk,
        "member-0-user": carol.pk,
        "member-0-role": "responder",
    }
    response = as_user(alice).post(reverse("admin:auth_user_change", args=[carol.pk]), page)
    assert response.status_code == 302
    assert User.objects.get(pk=carol.pk).member.role == "responder"
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.verb) == (alice, "edit")
    assert entry.after == {"username": "carol", "role": "responder", "active": True, "superuser": False}


def test_nobody_but_administrators_gets_in(bob, as_user):
    response = as_user(bob).get(reverse("admin:index"))
    assert response.status_code == 302
    assert Sink.objects.count() == 0
