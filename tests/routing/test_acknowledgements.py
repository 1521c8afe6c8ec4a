from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction

from routing import acknowledgements
from routing.acknowledgements import AcknowledgementError
from routing.models import (
    Acknowledgement,
    Alert,
    AlertGroup,
    Assignment,
    AuditEntry,
    Comment,
    Delivery,
    GroupedAlert,
    Route,
)
from tests import build
from tests.build import NOW
from tests.elsewhere import WAIT, elsewhere, until_somebody_waits
from tests.routing.test_pipeline import at, fire, flush

pytestmark = pytest.mark.django_db

PRINT = "f" * 64
A, B = "a" * 64, "b" * 64


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


def test_what_no_group_has_that_goes_on_is_not_acknowledged(bob):
    build.group(build.route(), state="resolved")
    with pytest.raises(AcknowledgementError, match="Nothing to acknowledge"):
        acknowledgements.acknowledge(PRINT, bob, NOW)
    assert not Acknowledgement.objects.exists()
    assert not AuditEntry.objects.exists()


class TestOfManyFingerprints:
    """A group of everything: critical B and then A, and each is told half a minute after the first."""

    @pytest.fixture(autouse=True)
    def route(self):
        route = build.route(group_by=[], group_wait=30, group_interval=300, repeat_interval=0, resolve_after=3600)
        route.sinks.add(build.sink())
        return route

    def test_an_acknowledgement_of_one_does_not_swallow_another_that_nobody_was_told_of(self, bob):
        other, one = fire(0, fingerprint=B), fire(1, fingerprint=A)
        acknowledgements.acknowledge(A, bob, at(10))
        assert AlertGroup.objects.get().state == "firing"
        flush(31)
        assert Delivery.objects.get().alert_ids == [str(other.pk), str(one.pk)]

    def test_what_was_told_is_acknowledged_with_the_newest_one(self, bob):
        fire(0, fingerprint=B)
        flush(30)
        fire(40, fingerprint=A)
        acknowledgements.acknowledge(A, bob, at(50))
        assert AlertGroup.objects.get().state == "acknowledged"

    def test_where_the_newest_one_is_not_looked_after_the_group_goes_on_firing(self, bob):
        fire(0, fingerprint=B)
        fire(1, fingerprint=A)
        flush(31)
        acknowledgements.acknowledge(B, bob, at(50))
        assert AlertGroup.objects.get().state == "firing"

    @pytest.mark.parametrize("order", [(A, B), (B, A)])
    def test_once_all_that_is_untold_is_acknowledged_the_group_is(self, order, bob):
        fire(0, fingerprint=B)
        fire(1, fingerprint=A)
        for fingerprint in order:
            assert AlertGroup.objects.get().state == "firing"
            acknowledgements.acknowledge(fingerprint, bob, at(10))
        assert AlertGroup.objects.get().state == "acknowledged"

    def test_when_one_is_withdrawn_the_group_fires_again(self, bob):
        fire(0, fingerprint=B)
        fire(1, fingerprint=A)
        for fingerprint in (A, B):
            acknowledgements.acknowledge(fingerprint, bob, at(10))
        acknowledgements.withdraw(B, bob, at(20))
        assert AlertGroup.objects.get().state == "firing"

    def test_with_the_group_ends_what_was_said_of_all_of_them(self, bob):
        fire(0, fingerprint=B)
        fire(1, fingerprint=A)
        for fingerprint in (A, B):
            acknowledgements.acknowledge(fingerprint, bob, at(10))
            acknowledgements.assign(fingerprint, bob, bob, at(10))
        flush(3601)
        assert not Acknowledgement.objects.exists()
        assert not Assignment.objects.exists()
        fire(7200, fingerprint=B)
        assert AlertGroup.objects.get().state == "firing"

    def test_what_another_group_has_goes_on(self, bob):
        build.group(build.route(name="second", position=2), fingerprint=A, last_seen_at=at(3600))
        third = build.route(name="third", position=3)
        other = build.group(third, fingerprint="c" * 64, last_seen_at=at(3600))
        fire(0, fingerprint=B)
        fire(1, fingerprint=A)
        older = Alert.objects.get(fingerprint=B)
        GroupedAlert.objects.create(group=other, alert=older, routed_at=NOW, route_version=1, number=1)
        for fingerprint in (A, B):
            acknowledgements.acknowledge(fingerprint, bob, at(10))
        flush(3601)
        assert Acknowledgement.objects.count() == 2

    def test_what_another_group_had_in_an_earlier_life_does_not(self, bob):
        later = at(100)
        other = build.group(build.route(name="second", position=2), fingerprint=B, first_seen_at=later)
        fire(1, fingerprint=A)
        GroupedAlert.objects.create(group=other, alert=Alert.objects.get(), routed_at=NOW, route_version=1, number=1)
        acknowledgements.acknowledge(A, bob, at(10))
        flush(3601)
        assert not Acknowledgement.objects.exists()

    def test_what_ends_in_two_groups_at_once_ends(self, bob, route):
        Route.objects.update(continues=True)
        build.route(name="second", position=2, group_by=[], resolve_after=3600)
        fire(0, fingerprint=A)
        acknowledgements.acknowledge(A, bob, at(10))
        flush(3600)
        assert set(AlertGroup.objects.values_list("state", flat=True)) == {"resolved"}
        assert not Acknowledgement.objects.exists()


def test_a_second_person_takes_over(bob, erin):
    build.group(build.route())
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
    build.group(build.route())
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
        # As a worker does that resolves the group it holds.
        acknowledgements.end_with(group)
    with pytest.raises(AcknowledgementError, match="Nothing to acknowledge"):
        taking.result(WAIT)
    assert states(group) == ["resolved"]
    assert not Acknowledgement.objects.exists()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_that_end_the_last_two_groups_one_ends_what_was_said(bob):
    groups = [build.group(build.route(name=name, position=number)) for number, name in enumerate(("one", "two"))]
    acknowledgements.acknowledge(PRINT, bob, NOW)

    def end(group):
        with transaction.atomic():
            acknowledgements.end_with(group)

    with transaction.atomic():
        acknowledgements.end_with(groups[0])
        other = elsewhere(end, groups[1])
        until_somebody_waits(other)
    other.result(WAIT)
    assert not Acknowledgement.objects.exists()
