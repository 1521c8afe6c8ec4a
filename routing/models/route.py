"""Which alerts go where: the tree of routes, what happens later, and every version there was."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

WEEK = 7 * 24 * 3600


class _Standing(models.Manager["Route"]):
    """Those that nobody deleted."""

    def get_queryset(self) -> models.QuerySet["Route"]:
        return super().get_queryset().filter(deleted_at=None)


class Route(models.Model):
    """One node of the tree that every alert walks.

    An alert enters the first of some siblings that matches, and the next ones too while they `continue`. What no
    child takes, the route takes itself. What a child leaves empty, its parent says (`routing.tree`).
    """

    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    position = models.PositiveIntegerField()
    """Siblings are walked in this order."""
    condition = models.TextField(blank=True)
    """In the rule language, over alerts; empty matches every alert."""
    continues = models.BooleanField(default=False)
    """Go on with the next route after a match."""
    enabled = models.BooleanField(default=True)
    """A disabled route takes nothing, and nothing beneath it does."""
    dry_run = models.BooleanField(default=False)
    """Plan everything and tell nobody; holds for what is beneath it, too."""
    group_by = models.JSONField(default=list, null=True, blank=True)
    """Fields whose values make the group; `["..."]` groups by all, so every alert is told alone; null as the parent."""
    group_wait = models.PositiveIntegerField(default=30, null=True, blank=True, validators=[MaxValueValidator(WEEK)])
    """Seconds to collect alerts before a new group is first told."""
    group_interval = models.PositiveIntegerField(
        default=300, null=True, blank=True, validators=[MaxValueValidator(WEEK)]
    )
    """Seconds between messages about a group that got new alerts."""
    repeat_interval = models.PositiveIntegerField(
        default=14_400, null=True, blank=True, validators=[MaxValueValidator(WEEK)]
    )
    """Seconds after which a group that still fires is told again; 0 never."""
    resolve_after = models.PositiveIntegerField(
        default=3600, null=True, blank=True, validators=[MaxValueValidator(WEEK)]
    )
    """Seconds without a new alert after which the group is resolved."""
    sinks = models.ManyToManyField("routing.Sink", blank=True, related_name="routes")
    """None: the parent's."""
    actions = models.ManyToManyField("routing.ResponseAction", blank=True, related_name="routes")
    """Never the parent's: what acts is said where it acts."""
    mute_in = models.ManyToManyField("routing.TimeInterval", blank=True, related_name="muted_routes")
    """While one of these holds, the route waits with telling."""
    active_in = models.ManyToManyField("routing.TimeInterval", blank=True, related_name="active_routes")
    """Where there are some, the route waits with telling while none of them holds."""
    version = models.PositiveIntegerField(default=1)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    """Since when it takes nothing and is not seen. The row stays for as long as its groups do."""

    objects = _Standing()
    everything = models.Manager["Route"]()
    """The deleted ones, too."""

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(parent=F("id")), name="route_not_its_own_parent"),
            models.UniqueConstraint(fields=["name"], condition=Q(deleted_at=None), name="route_once_per_name"),
        ]

    def __str__(self) -> str:
        return self.name


class RouteVersion(models.Model):
    """What a route said, from one change to the next; never changed itself."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    facts = models.JSONField()
    """As `routing.routes.facts_of` gives them."""
    by = models.CharField(max_length=255)
    """The person's or token's name as it was."""
    at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["route", "number"], name="route_version_once")]

    def __str__(self) -> str:
        return f"version {self.number}"


class EscalationStep(models.Model):
    """Whom a route tells, too, when nobody has acknowledged after a while."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="steps")
    after = models.PositiveIntegerField(validators=[MinValueValidator(60), MaxValueValidator(WEEK)])
    """Seconds since the group was first told, or since an acknowledgement was withdrawn."""
    sinks = models.ManyToManyField("routing.Sink", related_name="escalations")

    class Meta:
        ordering = ["after"]
        constraints = [models.UniqueConstraint(fields=["route", "after"], name="step_once_per_delay")]

    def __str__(self) -> str:
        return f"after {self.after} s"
