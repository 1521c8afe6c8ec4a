"""Deciding about action runs."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from routing.models import ActionRun, AuditEntry
from tests.routing.views.conftest import Page


def buttons(answer) -> list[str]:
    return [button.text for button in Page(answer.content.decode()).all("button")]


def test_the_button_says_what_will_be_done(as_user, bob, world: SimpleNamespace) -> None:
    assert "Approve: Kill pid 4242 (cat) on node-1" in buttons(as_user(bob).get(f"/runs/{world.run.uuid}/"))


def test_a_viewer_gets_no_button(as_user, carol, world: SimpleNamespace) -> None:
    answer = as_user(carol).get(f"/runs/{world.run.uuid}/")
    assert not [text for text in buttons(answer) if text.startswith(("Approve", "Deny"))]


@pytest.mark.parametrize(("verb", "state"), [("approve", "approved"), ("deny", "denied")])
def test_a_decision_is_stored_with_who_and_why(verb: str, state: str, as_user, bob, world: SimpleNamespace) -> None:
    answer = as_user(bob).post(f"/runs/{world.run.uuid}/{verb}/", {"comment": "Known miner"}, follow=True)
    run = ActionRun.objects.get()
    assert (run.state, run.decided_by, run.comment) == (state, bob, "Known miner")
    entry = AuditEntry.objects.latest("pk")
    assert (entry.verb, entry.actor, entry.address) == (verb, "bob", "127.0.0.1")
    assert "Kill pid 4242 (cat) on node-1" in answer.content.decode()


def test_who_comes_second_is_told_what_happened(as_user, bob, alice, world: SimpleNamespace) -> None:
    as_user(alice).post(f"/runs/{world.run.uuid}/deny/")
    answer = as_user(bob).post(f"/runs/{world.run.uuid}/approve/", follow=True)
    assert "denied already by alice" in answer.content.decode()
    assert ActionRun.objects.get().state == "denied"


def test_an_approval_that_comes_too_late_changes_nothing(as_user, bob, world: SimpleNamespace) -> None:
    ActionRun.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answer = as_user(bob).post(f"/runs/{world.run.uuid}/approve/", follow=True)
    assert "expired" in answer.content.decode()
    assert ActionRun.objects.get().state == "awaiting_approval"


def test_what_awaits_approval_comes_first_and_is_counted_in_the_navigation(
    as_user, bob, world: SimpleNamespace
) -> None:
    page = Page(as_user(bob).get("/runs/").content.decode())
    titles = [h2.text.split()[0] for h2 in page.all("h2") if h2.text.startswith(("Awaiting", "Decided"))]
    assert titles == ["Awaiting", "Decided"]
    assert any("1 awaiting approval" in " ".join(link.text.split()) for link in page.all("a"))


def test_runs_can_be_listed_by_state(as_user, carol, world: SimpleNamespace) -> None:
    ActionRun.objects.update(state="refused", reason="sshd is protected")
    client = as_user(carol)
    assert "sshd is protected" in client.get("/runs/?state=refused").content.decode()
    assert "sshd is protected" not in client.get("/runs/?state=denied").content.decode()
