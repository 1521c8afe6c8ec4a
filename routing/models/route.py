"""Which alerts go where, and what is not told for a while."""

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q

WEEK = 7 * 24 * 3600


class Route(models.Model):
    """One step of the ordered list that every alert walks; the first match ends the walk unless it `continues`."""

    name = models.CharField(max_length=100, unique=True)
    position = models.PositiveIntegerField()
    """Routes are walked in this order."""
    condition = models.TextField(blank=True)
    """In the rule language, over alerts; empty matches every alert."""
    continues = models.BooleanField(default=False)
    """Go on with the next route after a match."""
    enabled = models.BooleanField(default=True)
    group_by = models.JSONField(default=list, blank=True)
    """Fields whose values make the group; `["..."]` groups by all, so every alert is told alone."""
    group_wait = models.PositiveIntegerField(default=30, validators=[MaxValueValidator(WEEK)])
    """Seconds to collect alerts before a new group is first told."""
    group_interval = models.PositiveIntegerField(default=300, validators=[MaxValueValidator(WEEK)])
    """Seconds between messages about a group that got new alerts."""
    repeat_interval = models.PositiveIntegerField(default=14_400, validators=[MaxValueValidator(WEEK)])
    """Seconds after which a group that still fires is told again; 0 never."""
    resolve_after = models.PositiveIntegerField(default=3600, validators=[MaxValueValidator(WEEK)])
    """Seconds without a new alert after which the group is resolved."""
    sinks = models.ManyToManyField("routing.Sink", blank=True, related_name="routes")
    actions = models.ManyToManyField("routing.ResponseAction", blank=True, related_name="routes")
    version = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class Silence(models.Model):
    """Do not tell what matches, until."""

    condition = models.TextField()
    """In the rule language, over alerts."""
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    comment = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-ends_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="silence_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.comment}"
