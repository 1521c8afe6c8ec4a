"""Who did what, when and from where: append-only and hash-chained."""

from typing import Any

from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    """One act of a person or of the product. `hash` covers the entry and the previous one's hash."""

    at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.CharField(max_length=255)
    """The person's or token's name as it was, or `system`."""
    verb = models.CharField(max_length=64)
    target = models.CharField(max_length=255)
    """What it was done to, as `sink:3 Slack #sec`."""
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    address = models.GenericIPAddressField(null=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Entries are written once; raises RuntimeError on a change."""
        if self.pk is not None:
            raise RuntimeError("audit entries are never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raises RuntimeError: entries are never deleted one by one."""
        raise RuntimeError("audit entries are never deleted")
