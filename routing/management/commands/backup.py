"""`manage.py backup FILE`: all that must not be lost, while everything goes on running."""

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from routing import backups
from routing.archive import ArchiveError


class Command(BaseCommand):
    help = "Write a backup of the database that `manage.py restore` reads, on SQLite and on PostgreSQL."
    # A sink's file that is broken must not keep the backup from being made.
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a new file; it is gzipped, whatever its name")
        parser.add_argument(
            "--config-only", action="store_true", help="leave out alerts, groups, deliveries and action runs"
        )

    def handle(self, *args: Any, file: Path, config_only: bool, **options: Any) -> None:
        try:
            rows = backups.backup(file, timezone.now(), facts=not config_only)
        except ArchiveError as error:
            raise CommandError(f"{error}.") from None
        for table, count in rows.items():
            if count:
                self.stdout.write(f"{count:>10}  {table}")
        self.stdout.write(f"written: {file}, {file.stat().st_size:,} bytes, with its checksum")
        self.stderr.write(
            "NOT in it are the keys. Without ENCRYPTION_KEYS nobody can read the sinks' secrets in this backup.\n"
            f"They are in the environment, or in {settings.DATA_DIR / 'keys'}: keep a copy of them, in another place."
        )
