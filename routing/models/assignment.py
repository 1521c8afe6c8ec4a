"""Whose it is."""

from django.conf import settings
from django.db import models


class Assignment(models.Model):
    """A person who is to look after everything with this fingerprint; it ends with the last group of it, or by hand."""

    fingerprint = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments")
    by = models.CharField(max_length=255)
    """Who said so: the person's or token's name as it was."""
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"assigned to {self.user}"
