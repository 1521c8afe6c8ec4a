"""The Django application."""

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = "Routing"

    def ready(self) -> None:
        """Registers the system checks."""
        from routing import checks  # noqa: F401
