"""Who may do what: people have a role, machines have a token with a role."""

import hashlib
import secrets

from django.conf import settings
from django.db import models


class Role(models.TextChoices):
    """What somebody may do; each role may also do what the next one may, except `sensor`, which stands alone."""

    ADMIN = "admin", "Administrator"
    EDITOR = "editor", "Editor"
    RESPONDER = "responder", "Responder"
    VIEWER = "viewer", "Viewer"
    SENSOR = "sensor", "Sensor"


class Member(models.Model):
    """A person's role. A user without one is a viewer."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="member")
    role = models.CharField(max_length=16, choices=[c for c in Role.choices if c[0] != Role.SENSOR])

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


def digest_of(token: str) -> str:
    """What is stored of a token: its SHA-256. Tokens carry 256 random bits, so no salt or stretching is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


class Token(models.Model):
    """A machine's credential. The token itself is shown once and never stored."""

    PREFIX = "sa_"

    name = models.CharField(max_length=100)
    role = models.CharField(max_length=16, choices=Role.choices)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    """The token's first characters, so that a person can tell tokens apart."""
    hostname = models.CharField(max_length=255, blank=True)
    """The one node a sensor's token speaks for: set by its first hello, or when it is created."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @classmethod
    def make(cls) -> tuple[str, str, str]:
        """A new token, its digest and its hint."""
        token = cls.PREFIX + secrets.token_urlsafe(32)
        return token, digest_of(token), token[:8]
