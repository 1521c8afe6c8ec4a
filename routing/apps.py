"""The Django application."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Routing"

    def ready(self) -> None:
        """Registers the system checks and our own lookup."""
        from routing import among, checks  # noqa: F401
