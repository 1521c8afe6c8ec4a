from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from routing import acknowledgements
from routing.acknowledgements import AcknowledgementError
from routing.models import Acknowledgement, AlertGroup, Assignment, AuditEntry, Comment
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere, until_somebody_waits

pytestmark = pytest.mark.django_db

PRINT = "f" * 64


def states(*groups):
    for group in groups:
        group.refresh_from_db()
    return [group.state for group in groups]


def test_an_acknowledgement_holds_in_every_firing_group_of_the_fingerprint_and_in_no_other(bob):
    here = build.group(build.route())
    there = build.group(build.route(name="second", position=2))
    over = build.group(build.route(name="third", position=3), state="resolved")
    other = build.group(build.route(name="fourth", position=4), fingerprint="a" * 64)
    acknowledgements.acknowledge(PRINT, bob, NOW, "on it", ip="10.0.0.9")
    assert states(here, there, over, other) == ["acknowledged", "acknowledged", "resolved", "firing"]
    assert here.next_flush_at == NOW
    assert other.next_flush_at is None
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.verb, entry.after, entry.address) == (
        bob,
        "acknowledge",
        {"comment": "on it"},
        "10.0.0.9",
    )


def test_a_second_person_takes_over(bob, erin):
    acknowledgements.acknowledge(PRINT, bob, NOW)
    acknowledgements.acknowledge(PRINT, erin, NOW + timedelta(minutes=1), "my shift")
    taken = Acknowledgement.objects.get()
    assert (taken.user, taken.comment, taken.at) == (erin, "my shift", NOW + timedelta(minutes=1))
    assert AuditEntry.objects.first().before == {"by": "bob"}


def test_withdrawing_lets_the_groups_fire_again(bob, erin):
    group = build.group(build.route())
    acknowledgements.acknowledge(PRINT, bob, NOW)
    acknowledgements.withdraw(PRINT, erin, NOW + timedelta(minutes=1))
    assert states(group) == ["firing"]
    assert not Acknowledgement.objects.exists()
    with pytest.raises(AcknowledgementError, match="Nobody has acknowledged"):
        acknowledgements.withdraw(PRINT, erin, NOW)


def test_a_comment_is_kept_with_who_and_when(bob):
    acknowledgements.comment(PRINT, bob, NOW, "  a known job \n")
    said = Comment.objects.get()
    assert (said.user, said.at, said.text) == (bob, NOW, "a known job")
    with pytest.raises(AcknowledgementError, match="empty"):
        acknowledgements.comment(PRINT, bob, NOW, " ")


def test_a_viewer_acknowledges_withdraws_and_says_nothing(bob, carol):
    acknowledgements.acknowledge(PRINT, bob, NOW)
    for attempt in (
        lambda: acknowledgements.acknowledge(PRINT, carol, NOW),
        lambda: acknowledgements.withdraw(PRINT, carol, NOW),
        lambda: acknowledgements.comment(PRINT, carol, NOW, "hm"),
    ):
        with pytest.raises(PermissionDenied):
            attempt()
    assert Acknowledgement.objects.get().user == bob


def test_what_is_assigned_belongs_to_the_last_who_was_named(bob, erin):
    acknowledgements.assign(PRINT, bob, erin, NOW)
    acknowledgements.assign(PRINT, erin, bob, NOW, ip="10.0.0.9")
    given = Assignment.objects.get()
    assert (given.user, given.by, given.at) == (erin, "bob", NOW)
    entry = AuditEntry.objects.filter(verb="assign").first()
    assert (entry.before, entry.after, entry.address) == ({"to": "bob"}, {"to": "erin"}, "10.0.0.9")


def test_an_assignment_tells_nobody_and_holds_nothing_back(bob):
    group = build.group(build.route())
    acknowledgements.assign(group.fingerprint, bob, bob, NOW)
    group.refresh_from_db()
    assert (group.state, group.next_flush_at) == ("firing", None)


def test_nothing_is_assigned_to_or_by_who_may_not_respond(bob, carol):
    with pytest.raises(AcknowledgementError, match="carol may not respond"):
        acknowledgements.assign(PRINT, carol, bob, NOW)
    with pytest.raises(PermissionDenied):
        acknowledgements.assign(PRINT, bob, carol, NOW)
    with pytest.raises(PermissionDenied):
        acknowledgements.unassign(PRINT, carol, NOW)
    assert not Assignment.objects.exists()


def test_an_assignment_is_taken_back_once(bob):
    acknowledgements.assign(PRINT, bob, bob, NOW)
    acknowledgements.unassign(PRINT, bob, NOW)
    with pytest.raises(AcknowledgementError, match="assigned to nobody"):
        acknowledgements.unassign(PRINT, bob, NOW)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_taking_over_waits_for_a_worker_that_ends_the_group_instead_of_deadlocking(bob, erin):
    group = build.group(build.route())
    acknowledgements.acknowledge(PRINT, bob, NOW)
    AlertGroup.objects.update(state="firing")  # Something else in it made it fire again.
    with transaction.atomic():
        AlertGroup.objects.select_for_update().get()
        taking = elsewhere(acknowledgements.acknowledge, PRINT, erin, NOW)
        until_somebody_waits(taking)
        # As a worker does that resolves the group it holds (`tellings.resolve`).
        Acknowledgement.objects.filter(fingerprint=PRINT).delete()
        AlertGroup.objects.update(state="resolved")
    taking.result(WAIT)
    assert states(group) == ["resolved"]
