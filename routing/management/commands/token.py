"""`manage.py token create | list | revoke`: credentials of machines."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from routing import audit
from routing.models import Role, Token

ACTOR = "command line"


class Command(BaseCommand):
    help = "Create, list or revoke the tokens that sensors and scripts sign in with."
    # Nothing here depends on routes, pages or sinks, and a broken one must not keep a token from being revoked.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        create = commands.add_parser("create", help="print a new token; it is shown only this once")
        create.add_argument("--role", required=True, choices=Role.values)
        create.add_argument("--hostname", default="", help="the one node a sensor's token speaks for")
        create.add_argument("name")
        commands.add_parser("list", help="show every token, without its secret part")
        revoke = commands.add_parser("revoke", help="end tokens; servers refuse them within five seconds")
        revoke.add_argument("name", help="a token's name, or its first characters as the list shows them")

    def handle(self, *args: Any, command: str, **options: Any) -> None:
        match command:
            case "create":
                self._create(options["role"], options["name"], options["hostname"])
            case "list":
                self._list()
            case "revoke":
                self._revoke(options["name"])

    @transaction.atomic
    def _create(self, role: str, name: str, hostname: str) -> None:
        if hostname and role != Role.SENSOR:
            raise CommandError("--hostname goes with --role sensor: only a sensor speaks for a node")
        plain, digest, hint = Token.make()
        token = Token.objects.create(
            name=name, role=role, digest=digest, hint=hint, hostname=hostname, created_at=timezone.now()
        )
        audit.record(ACTOR, "create", token, after={"role": role, "hostname": hostname})
        self.stdout.write(plain)

    def _list(self) -> None:
        for token in Token.objects.order_by("created_at"):
            state = f"revoked {token.revoked_at:%Y-%m-%d}" if token.revoked_at else "live"
            used = f"used {token.last_used_at:%Y-%m-%d %H:%M}" if token.last_used_at else "never used"
            self.stdout.write("\t".join((token.hint, token.role, token.hostname or "-", state, used, token.name)))

    @transaction.atomic
    def _revoke(self, name: str) -> None:
        live = Token.objects.filter(revoked_at=None)
        tokens = list(live.filter(name=name) or live.filter(hint=name))
        if not tokens:
            raise CommandError(f"no live token is called {name!r}; see: manage.py token list")
        for token in tokens:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
            audit.record(ACTOR, "revoke", token)
            self.stdout.write(f"revoked {token}")
