"""Detection rules as people edit them, and the numbered sets that sensors pull."""

from django.conf import settings
from django.db import models


class RuleFile(models.Model):
    """The working copy of one file of rules; what sensors run is a published `Ruleset`."""

    name = models.CharField(max_length=100, unique=True)
    text = models.TextField()
    position = models.PositiveIntegerField(default=0)
    """Files are loaded in this order: a later one may append to or override an earlier one."""
    enabled = models.BooleanField(default=True)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class Ruleset(models.Model):
    """A checked set of rule files under a number; never changed once published."""

    number = models.PositiveIntegerField(unique=True)
    files = models.JSONField()
    """`[{"name": …, "text": …}, …]` in load order."""
    rule_count = models.PositiveIntegerField()
    published_at = models.DateTimeField()
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    comment = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"ruleset {self.number}"
