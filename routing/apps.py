"""The Django application."""

from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Routing"

    def ready(self) -> None:
        """Registers the system checks, our own lookup, and what is looked at before a migration."""
        from routing import among, checks  # noqa: F401
        from routing.management import earlier

        pre_migrate.connect(earlier.refuse, sender=self)
