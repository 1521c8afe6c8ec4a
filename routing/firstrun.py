"""The first start: an administrator, this node's token, rules, routes and one harmless action. Safe to repeat."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from routing import audit, routes, rulesets
from routing.access import Operator
from routing.models import AuditEntry, Member, ResponseAction, Role, Route, Token
from routing.models.member import digest_of

log = structlog.get_logger(__name__)

ADMIN = "admin"
TOKEN_NAME = "this node"  # noqa: S105  # what the token is called
STARTER = "starter data"


@dataclass(frozen=True)
class FirstRun:
    """What `manage.py run` tells the person who started it."""

    username: str
    password: str | None
    """Made just now and shown once; None where an administrator exists or ADMIN_PASSWORD was given."""


def prepare(now: datetime, admin_password: str | None = None) -> FirstRun:
    """Make what is missing, and nothing else: what people changed or deleted stays as they left it."""
    username, password = _administrator(now, admin_password)
    _sensor_token(now)
    rulesets.install_defaults(now)
    _starter_data(now)
    return FirstRun(username, password)


@transaction.atomic
def _administrator(now: datetime, given: str | None) -> tuple[str, str | None]:
    existing = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if existing is not None:
        return existing.username, None
    if User.objects.filter(username=ADMIN).exists():
        log.warning("no_administrator", advice=f"{ADMIN} is closed or demoted: manage.py createsuperuser")
        return ADMIN, None
    password = given or secrets.token_urlsafe(15)
    user = User.objects.create_superuser(ADMIN, password=password)
    Member.objects.create(user=user, role=Role.ADMIN)
    audit.record(audit.SYSTEM, "create", f"user:{user.pk} {user}", after={"role": Role.ADMIN.value}, now=now)
    return user.username, None if given else password


def _sensor_token(now: datetime) -> None:
    """The token with which this node's own sensor reports, in a file that only this user can read."""
    path = Path(settings.DATA_DIR) / "keys" / "sensor_token"
    if path.exists():
        kept = path.read_text(encoding="utf-8").strip()
        if Token.objects.filter(digest=digest_of(kept), revoked_at=None).exists():
            return
    with transaction.atomic():
        plain, digest, hint = Token.make()
        token = Token.objects.create(name=TOKEN_NAME, role=Role.SENSOR, digest=digest, hint=hint, created_at=now)
        audit.record(audit.SYSTEM, "create", token, after={"role": Role.SENSOR.value}, now=now)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(plain)
    fresh.replace(path)
    log.info("sensor_token_made", path=str(path))


@transaction.atomic
def _starter_data(now: datetime) -> None:
    """Two routes and an action in dry run, once: deleted ones do not come back."""
    if Route.objects.exists() or AuditEntry.objects.filter(actor=audit.SYSTEM, target=STARTER).exists():
        return
    per_rule_and_host = ["alert.rule", "alert.hostname"]
    critical = {"name": "Critical and above", "condition": "alert.priority >= critical", "group_wait": 0}
    for facts in ({**critical, "position": 10}, {"name": "Everything else", "position": 1000}):
        routes.save(None, {**facts, "group_by": per_rule_and_host}, Operator(audit.SYSTEM), now)
    ResponseAction.objects.get_or_create(name="Kill the process", defaults={"kind": "kill_process"})
    audit.record(audit.SYSTEM, "create", STARTER, now=now)
