"""System checks: the mistakes people make, said before they hurt. Their ids are listed in docs/settings.md."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.models import Model

from routing import actions, sinks

Apps = Sequence[AppConfig] | None
SHORTEST_KEY = 32


@register(Tags.security)
def check_debug(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.W001: DEBUG shows secrets in error pages."""
    if not settings.DEBUG:
        return []
    return [Warning("DEBUG is on", hint="Set DEBUG=false wherever others can reach this server.", id="routing.W001")]


@register(Tags.security)
def check_transport(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E003, routing.W002: where people reach the dashboard, and whether passwords travel readably."""
    url = urlsplit(settings.SITE_URL)
    if url.scheme not in ("http", "https") or not url.hostname:
        hint = "Use the address that people type, as https://sensor.example.com."
        return [Error(f"SITE_URL is {settings.SITE_URL!r}, which is not a web address", hint=hint, id="routing.E003")]
    if url.scheme == "https" or _is_loopback(url.hostname):
        return []
    hint = "Put a TLS-terminating proxy in front and set SITE_URL to its https:// address."
    return [
        Warning("SITE_URL is plain http: passwords and tokens can be read on the way", hint=hint, id="routing.W002")
    ]


@register(Tags.security)
def check_hosts(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.W003: any Host header is believed."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    hint = "Name the hosts people use: ALLOWED_HOSTS=sensor.example.com"
    return [Warning("ALLOWED_HOSTS has *, so links can be made to point elsewhere", hint=hint, id="routing.W003")]


@register(Tags.security)
def check_secret_key(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E004: sessions could be forged with a guessed key."""
    if len(settings.SECRET_KEY) >= SHORTEST_KEY:
        return []
    hint = "Leave SECRET_KEY unset and one is made and kept in DATA_DIR/keys, or use 50 random characters."
    return [Error(f"SECRET_KEY is shorter than {SHORTEST_KEY} characters", hint=hint, id="routing.E004")]


@register()
def check_outbound(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E002: a block of OUTBOUND_ALLOW that is not one."""
    return [
        Error(
            f"OUTBOUND_ALLOW has {block!r}, which is not a network",
            hint="Use CIDR blocks with commas between them, as 10.1.0.0/16,192.168.7.5/32.",
            id="routing.E002",
        )
        for block in settings.OUTBOUND_ALLOW
        if not _is_network(block)
    ]


@register()
def check_addresses(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E006, routing.W006: where signs of life and spans go. The address may be a secret, so it is not said."""
    given = {"DEADMAN_URL": settings.DEADMAN_URL, "OTEL_EXPORTER_OTLP_ENDPOINT": settings.OTEL_ENDPOINT}
    found: list[CheckMessage] = [
        Error(f"{name} is not a web address", hint="Use one with http:// or https://.", id="routing.E006")
        for name, address in given.items()
        if address and not _is_web_address(address)
    ]
    if settings.OTEL_ENDPOINT and find_spec("opentelemetry") is None:
        hint = "Install it with: pip install 'sensorapp[otel]'"
        found.append(Warning("Spans are asked for, but OpenTelemetry is missing", hint=hint, id="routing.W006"))
    return found


@register()
def check_data_dir(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E005: nowhere to keep keys, the embedded database and the broker's file."""
    nearest = next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK):
        return []
    hint = "Create it, let this user write there, or name another with DATA_DIR."
    return [Error(f"{settings.DATA_DIR} cannot be made or written to", hint=hint, id="routing.E005")]


@register()
def check_kinds(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """routing.E001: a kind's file that cannot be loaded, or two that claim one name."""
    return list(unloadable({"sinks": sinks.kinds, "actions": actions.kinds}))


def unloadable(folders: Mapping[str, Callable[[], object]]) -> Iterable[CheckMessage]:
    """A message for each folder of kinds whose scan fails."""
    for folder, scan in folders.items():
        try:
            scan()
        except Exception as error:
            # Importing somebody's file can fail in any way, and each is worth saying in one line.
            text = f"routing/{folder} cannot be loaded: {type(error).__name__}: {error}"
            yield Error(text, hint="Mend or remove the file that the message names.", id="routing.E001")


@register(Tags.database)
def check_stored_kinds(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """routing.W004: stored sinks and response actions whose kind is not installed (any more)."""
    from routing.models import ResponseAction, Sink

    if not _readable(databases, Sink, ResponseAction):
        return []
    stored: list[Sink | ResponseAction] = [
        *Sink.objects.exclude(kind__in=sinks.kinds()),
        *ResponseAction.objects.exclude(kind__in=actions.kinds()),
    ]
    return [
        Warning(
            f"{owner._meta.verbose_name} {owner.name!r} is of the kind {owner.kind!r}, which is not installed",
            hint="Bring its file back, or delete it.",
            id="routing.W004",
        )
        for owner in stored
    ]


@register(Tags.database)
def check_packages(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """routing.W005: stored sinks that need a Python package which is not installed."""
    from routing.models import Sink

    if not _readable(databases, Sink):
        return []
    lacking = {name: missing for name, kind in sinks.kinds().items() if (missing := kind.missing())}
    return [
        Warning(f"sink {sink.name!r} cannot be used: {lacking[sink.kind]}", hint="Install it.", id="routing.W005")
        for sink in Sink.objects.filter(kind__in=lacking)
    ]


@register(Tags.database)
def check_catch_all(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """routing.W007: an alert may find no route, and then nobody is told."""
    from routing.models import Route

    # Only of a few columns, for `migrate` checks also before it adds others.
    if not _readable(databases, Route) or not Route.objects.exists():
        return []
    if Route.objects.filter(parent=None, enabled=True, condition__regex=r"^\s*$").exists():
        return []
    hint = "Add a route without a condition at the end of the routes at the top, with a sink that somebody reads."
    return [Warning("No route takes the alerts that all others leave", hint=hint, id="routing.W007")]


def _readable(databases: Sequence[str] | None, *models: type[Model]) -> bool:
    """Whether the database may be asked and has their tables: `migrate` checks before it has made them."""
    if "default" not in (databases or ()):
        return False
    return {model._meta.db_table for model in models} <= set(connections["default"].introspection.table_names())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_web_address(address: str) -> bool:
    try:
        url = urlsplit(address)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname)


def _is_network(block: str) -> bool:
    try:
        ip_network(block, strict=False)
    except ValueError:
        return False
    return True
