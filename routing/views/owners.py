"""Whose something is: who is to look after it, and who said that they do. Both belong to the fingerprint."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from routing.access import LADDER, PERMISSIONS
from routing.models import Acknowledgement, AlertGroup, Assignment


@dataclass(frozen=True)
class Owner:
    """Who looks after one fingerprint."""

    assigned: Assignment | None
    acknowledged: Acknowledgement | None


def owners(fingerprints: Iterable[str]) -> dict[str, Owner]:
    """The owners of those that have one, by their fingerprint."""
    wanted = {"fingerprint__in": set(fingerprints)}
    assigned = {one.fingerprint: one for one in Assignment.objects.filter(**wanted).select_related("user")}
    taken = {one.fingerprint: one for one in Acknowledgement.objects.filter(**wanted).select_related("user")}
    return {each: Owner(assigned.get(each), taken.get(each)) for each in sorted(assigned.keys() | taken.keys())}


def who_may_respond() -> QuerySet[User]:
    """The people whom something can be assigned to."""
    able = LADDER[LADDER.index(PERMISSIONS["respond"]) :]
    people = User.objects.filter(is_active=True).filter(Q(is_superuser=True) | Q(member__role__in=able))
    return people.order_by("username")


def of(user: User) -> Q:
    """Groups that are a person's: assigned to them, or acknowledged by them."""
    assigned = Assignment.objects.filter(user=user).values("fingerprint")
    taken = Acknowledgement.objects.filter(user=user).values("fingerprint")
    return Q(fingerprint__in=assigned) | Q(fingerprint__in=taken)


def longest_acknowledged(groups: QuerySet[AlertGroup]) -> QuerySet[AlertGroup]:
    """What somebody said long ago that they look after, first."""
    at = Acknowledgement.objects.filter(fingerprint=OuterRef("fingerprint")).values("at")[:1]
    return groups.annotate(taken_at=Subquery(at)).order_by(F("taken_at").asc(nulls_last=True), "pk")
