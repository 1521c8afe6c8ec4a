"""Response actions: their mode and options."""

from types import SimpleNamespace

from routing.models import AuditEntry, ResponseAction
from tests import build

NEW = {
    "name": "Kill miners",
    "mode": "automatic",
    "condition": "proc.name = xmrig",
    "max_alert_age": "5min",
    "approval_ttl": "15min",
    "max_per_hour": "3",
    "option-protected": "/usr/sbin/sshd",
}


def test_an_action_is_stored_with_its_mode_limits_and_options(as_user, erin) -> None:
    assert as_user(erin).post("/actions/new/kill_process/", NEW).url == "/actions/"
    action = ResponseAction.objects.get()
    assert (action.kind, action.mode, action.max_alert_age, action.max_per_hour) == (
        "kill_process",
        "automatic",
        300,
        3,
    )
    assert action.params == {"protected": "/usr/sbin/sshd"}
    assert AuditEntry.objects.get().after["mode"] == "automatic"


def test_the_form_starts_with_the_defaults_and_a_dry_run(as_user, erin) -> None:
    context = as_user(erin).get("/actions/new/kill_process/").context
    assert context["form"]["mode"].value() == "dry_run"
    assert "/usr/sbin/sshd" in context["options"]["protected"].value()


def test_a_wrong_condition_is_not_stored(as_user, erin) -> None:
    answer = as_user(erin).post("/actions/new/kill_process/", {**NEW, "condition": "proc.nmae = x"})
    assert "did you mean proc.name?" in answer.content.decode()
    assert not ResponseAction.objects.exists()


def test_an_edit_is_remembered(as_user, erin) -> None:
    action = build.action()
    as_user(erin).post(f"/actions/{action.pk}/", {**NEW, "mode": "off"})
    entry = AuditEntry.objects.get(verb="edit")
    assert (entry.before["mode"], entry.after["mode"]) == ("approve", "off")


def test_an_action_with_runs_cannot_be_deleted(as_user, erin, world: SimpleNamespace) -> None:
    answer = as_user(erin).post(f"/actions/{world.action.pk}/delete/", follow=True)
    assert "switch it off instead" in answer.content.decode()
    assert not AuditEntry.objects.filter(verb="delete").exists()
    unused = build.action(name="Unused")
    as_user(erin).post(f"/actions/{unused.pk}/delete/")
    assert not ResponseAction.objects.filter(name="Unused").exists()
