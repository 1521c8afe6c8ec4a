from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from routing.api.tokens import find
from routing.models import AuditEntry, Token
from tests import build

pytestmark = pytest.mark.django_db


def manage(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("role", ["admin", "editor", "responder", "viewer", "sensor"])
def test_a_new_token_is_printed_alone_and_works(role):
    plain = manage("create", "--role", role, "a name").removesuffix("\n")
    assert plain.startswith(Token.PREFIX)
    assert "\n" not in plain
    found = find(plain, build.NOW)
    assert (found.role, found.name, found.hostname) == (role, "a name", "")


def test_the_token_itself_is_nowhere_afterwards():
    plain = manage("create", "--role", "viewer", "reader").strip()
    kept = repr([*Token.objects.values_list(), *AuditEntry.objects.values_list()]) + manage("list")
    assert plain not in kept
    assert plain[:8] in kept


def test_a_sensors_token_may_be_bound_from_the_start():
    manage("create", "--role", "sensor", "--hostname", "node-1", "node-1")
    assert Token.objects.get().hostname == "node-1"
    with pytest.raises(CommandError, match="only a sensor"):
        manage("create", "--role", "viewer", "--hostname", "node-1", "reader")


def test_the_list_shows_what_a_person_must_know():
    build.token("sensor", "sa_first", name="first", hostname="node-1")
    build.token("admin", "sa_second", name="second", revoked_at=build.NOW, last_used_at=build.NOW)
    assert [line.split("\t") for line in manage("list").splitlines()] == [
        ["sa_first", "sensor", "node-1", "live", "never used", "first"],
        ["sa_secon", "admin", "-", "revoked 2026-11-23", "used 2026-11-23 12:00", "second"],
    ]


@pytest.mark.parametrize("named", ["node-1", "sa_node1"])
def test_revoking_ends_it_by_name_or_by_its_first_characters(named):
    build.token("sensor", "sa_node1_secret", name="node-1")
    build.token("sensor", "sa_other_secret", name="node-2")
    assert "node-1" in manage("revoke", named)
    assert find("sa_node1_secret", build.NOW) is None
    assert find("sa_other_secret", build.NOW) is not None
    assert AuditEntry.objects.get().verb == "revoke"


def test_revoking_what_is_not_there_says_where_to_look():
    with pytest.raises(CommandError, match="token list"):
        manage("revoke", "nothing")
