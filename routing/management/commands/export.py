"""`manage.py export`: all that is configured, as YAML."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from routing import configuration


class Command(BaseCommand):
    help = "Print what is configured (routes, sinks, silences and so on) as YAML for `manage.py apply`."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(configuration.export(timezone.now()), ending="")
