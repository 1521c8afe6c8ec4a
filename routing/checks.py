"""System checks: the mistakes people make, said before they hurt."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register


@register()
def check_debug(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """routing.W001: DEBUG shows secrets in error pages."""

    if not settings.DEBUG:
        return []
    return [Warning("DEBUG is on", hint="Set DEBUG=false wherever others can reach this server.", id="routing.W001")]
