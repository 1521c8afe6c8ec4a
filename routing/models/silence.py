"""What is not told: for a while, in maintenance, or because something else explains it."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Silence(models.Model):
    """Do not tell what matches, until."""

    condition = models.TextField()
    """In the rule language, over alerts."""
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    """Null where a token said so."""
    token_name = models.CharField(max_length=255, blank=True)
    """The token's name as it was, where no person said so."""
    comment = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-ends_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gte=F("starts_at")), name="silence_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"until {self.ends_at:%Y-%m-%d %H:%M} UTC: {self.comment}"

    @property
    def by(self) -> str:
        """Who said so."""
        return self.author.get_username() if self.author else self.token_name


class TimeInterval(models.Model):
    """Times of the week, the month and the year, by a name; `routing.intervals` reads them."""

    name = models.CharField(max_length=100, unique=True)
    spec = models.JSONField()
    """A list, as Alertmanager writes `time_intervals`; a moment in any of its entries is in the interval."""
    comment = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class MaintenanceWindow(models.Model):
    """Do not tell what matches while work is done: once, or whenever an interval holds."""

    name = models.CharField(max_length=100, unique=True)
    condition = models.TextField()
    """In the rule language, over alerts."""
    starts_at = models.DateTimeField(null=True, blank=True)
    """Null: since ever."""
    ends_at = models.DateTimeField(null=True, blank=True)
    """Null: for ever."""
    interval = models.ForeignKey(TimeInterval, on_delete=models.PROTECT, null=True, blank=True, related_name="windows")
    """Between start and end it holds only in this; null: all the time."""
    comment = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(interval__isnull=False) | Q(ends_at__isnull=False), name="window_is_bounded"
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="window_ends_after_start"),
        ]

    def __str__(self) -> str:
        return self.name


class Inhibition(models.Model):
    """Do not tell what one condition matches while alerts of another fire that have the same values."""

    name = models.CharField(max_length=100, unique=True)
    source = models.TextField()
    """What explains, in the rule language, over alerts."""
    target = models.TextField()
    """What is then not told, in the rule language, over alerts."""
    equal = models.JSONField(default=list, blank=True)
    """Fields that source and target must have in common; a missing one is like an empty one."""
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class InhibitionSource(models.Model):
    """Alerts of an inhibition's source that fire: which values they have, and until when they do."""

    inhibition = models.ForeignKey(Inhibition, on_delete=models.CASCADE, related_name="sources")
    key = models.CharField(max_length=64)
    """Hash of the values of `equal`."""
    also_target = models.BooleanField()
    """The alerts were of the target, too: then they inhibit only what is not of the source itself."""
    until = models.DateTimeField()
    """When the last group of them is resolved, if no alert comes."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["inhibition", "key", "also_target"], name="inhibition_source_once")
        ]
        indexes = [
            # Read by inhibition.forget.
            models.Index(fields=["until"], name="inhibition_source_over")
        ]

    def __str__(self) -> str:
        return f"{self.inhibition_id} until {self.until}"
