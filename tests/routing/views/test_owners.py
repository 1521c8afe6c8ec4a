"""Whose something is, and to whom it can be given."""

from django.contrib.auth.models import User

from routing.models import Acknowledgement, Assignment
from routing.views.owners import owners, who_may_respond
from tests.build import NOW


def test_each_fingerprint_has_the_one_it_is_for_and_the_one_who_took_it(bob: User, erin: User) -> None:
    Assignment.objects.create(fingerprint="a", user=bob, by="erin", at=NOW)
    taken = Acknowledgement.objects.create(fingerprint="a", user=erin, at=NOW)
    Acknowledgement.objects.create(fingerprint="b", user=erin, at=NOW)
    Acknowledgement.objects.create(fingerprint="other", user=erin, at=NOW)
    found = owners(["a", "b", "c"])
    assert list(found) == ["a", "b"]
    assigned = found["a"].assigned
    assert assigned is not None
    assert (assigned.user, found["a"].acknowledged, found["b"].assigned) == (bob, taken, None)


def test_it_can_be_given_to_those_who_may_respond(alice: User, bob: User, carol: User, erin: User) -> None:
    User.objects.create(username="zoe", is_superuser=True)
    User.objects.filter(pk=erin.pk).update(is_active=False)
    assert [one.username for one in who_may_respond()] == ["alice", "bob", "zoe"]
