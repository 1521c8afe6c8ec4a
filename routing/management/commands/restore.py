"""`manage.py restore FILE`: a backup back into an empty, migrated database, all of it or nothing."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from routing import backups
from routing.archive import ArchiveError
from routing.backups import BackupError


class Command(BaseCommand):
    help = "Restore what `manage.py backup` wrote, into a database that `manage.py migrate` has prepared."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--force", action="store_true", help="remove everything that is in the database first")

    def handle(self, *args: Any, file: Path, force: bool, **options: Any) -> None:
        try:
            rows = backups.restore(file, timezone.now(), force=force)
        except (ArchiveError, BackupError) as error:
            raise CommandError(f"Nothing was restored: {error}.") from None
        for table, count in rows.items():
            if count:
                self.stdout.write(f"{count:>10}  {table}")
        self.stdout.write(f"restored: {file}")
        if unreadable := backups.unreadable():
            self.stderr.write(
                f"With the keys of this server the secrets of these cannot be read: {', '.join(unreadable)}.\n"
                "Put the old ENCRYPTION_KEYS back (after the new one and a comma), or enter the secrets again."
            )
