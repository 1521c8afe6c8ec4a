"""Tokens are shown once."""

import re

from routing.models import AuditEntry, Token
from routing.models.member import digest_of


def test_a_token_is_shown_once_and_stored_as_a_hash(as_user, alice) -> None:
    client = as_user(alice)
    answer = client.post("/tokens/", {"name": "node-7", "role": "sensor"})
    made = re.search(r"sa_[\w-]{40,}", answer.content.decode())[0]
    token = Token.objects.get(name="node-7")
    assert token.digest == digest_of(made)
    assert answer["Cache-Control"] == "no-store"
    assert made not in client.get("/tokens/").content.decode()
    assert made not in str(AuditEntry.objects.get().after)


def test_a_revoked_token_stays_revoked(as_user, alice) -> None:
    client = as_user(alice)
    client.post("/tokens/", {"name": "node-7", "role": "sensor"})
    token = Token.objects.get(name="node-7")
    client.post(f"/tokens/{token.pk}/revoke/")
    token.refresh_from_db()
    first = token.revoked_at
    client.post(f"/tokens/{token.pk}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at == first
    assert AuditEntry.objects.filter(verb="revoke").count() == 1


def test_a_role_that_is_none_is_refused(as_user, alice) -> None:
    as_user(alice).post("/tokens/", {"name": "x", "role": "root"})
    assert not Token.objects.filter(name="x").exists()
