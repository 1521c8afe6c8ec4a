"""`manage.py apply FILE`: what a configuration file says is made so."""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from routing import configuration
from routing.configuration import Change

WOULD_CHANGE = 2
"""How a dry run ends that found something to change."""


class Command(BaseCommand):
    help = "Make what is configured as a YAML file says: all of it, or nothing. `manage.py export` writes such files."
    # A check may complain about just what the file mends.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file, or - for standard input")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=f"only print what would change; ends with {WOULD_CHANGE} if anything would, else with 0",
        )
        parser.add_argument(
            "--prune", action="store_true", help="also delete what the sections of the file do not name"
        )

    def handle(self, *args: Any, file: str, dry_run: bool, prune: bool, **options: Any) -> None:
        said = configuration.read(file if file != "-" else "<stdin>", _content(file))
        try:
            changes = configuration.apply(said, timezone.now(), prune=prune, dry_run=dry_run)
        except configuration.Refused as refused:
            raise CommandError(f"nothing was changed, for there is something wrong:\n{refused}") from None
        for change in changes:
            for line in configuration.lines_of(change):
                self.stdout.write(line)
        self.stdout.write(_summary(changes, dry_run=dry_run))
        if dry_run and changes:
            sys.exit(WOULD_CHANGE)


def _content(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from None


def _summary(changes: list[Change], *, dry_run: bool) -> str:
    if not changes:
        return "nothing to change"
    signs = [change.sign for change in changes]
    added, changed, deleted = (signs.count(sign) for sign in "+~-")
    return f"{added} added, {changed} changed, {deleted} deleted{' (dry run: nothing was)' if dry_run else ''}"
