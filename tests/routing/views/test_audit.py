"""The audit log and the check of its chain."""

from django.utils import timezone

from routing import audit
from routing.models import AuditEntry


def test_entries_are_narrowed_by_person_and_verb(as_user, alice, bob) -> None:
    audit.record(bob, "approve", "run:1", now=timezone.now())
    audit.record(alice, "edit", "sink:1", before={"a": 1}, after={"a": 2}, now=timezone.now())
    client = as_user(alice)
    assert [e.verb for e in client.get("/audit/").context["page"].rows] == ["edit", "approve"]
    assert [e.verb for e in client.get("/audit/?actor=bob").context["page"].rows] == ["approve"]
    assert [e.actor for e in client.get("/audit/?verb=edit").context["page"].rows] == ["alice"]


def test_a_changed_entry_is_found(as_user, alice) -> None:
    for number in range(3):
        audit.record(alice, "edit", f"sink:{number}", now=timezone.now())
    client = as_user(alice)
    assert "All 3 entries fit together" in client.post("/audit/verify/", follow=True).content.decode()
    second = AuditEntry.objects.order_by("pk")[1]
    AuditEntry.objects.filter(pk=second.pk).update(actor="mallory")
    assert f"Entry {second.pk} does not fit" in client.post("/audit/verify/", follow=True).content.decode()
