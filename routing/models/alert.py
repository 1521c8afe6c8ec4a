"""Alerts, which are facts, and the groups that tell them together."""

from collections.abc import Mapping
from types import MappingProxyType

from django.conf import settings
from django.db import models
from django.db.models import Q

from routing.models.member import Token
from routing.models.sensor import Sensor
from sensor.alert import Priority

PRIORITIES = [(priority.value, priority.label) for priority in Priority]


class Alert(models.Model):
    """One match of one rule. Nothing in it ever changes.

    Alerts are many and they come in bursts, so the table has no foreign keys that the database would check for every
    row, and a new row touches no other. On PostgreSQL it is cut into days (`routing.days`).
    """

    uuid = models.UUIDField(primary_key=True)
    """The alert's identity, of version 7 and near `time` (`identity.fitting`): a repeated post of the same alert is
    ignored, and what is ordered by it is ordered by time."""
    time = models.DateTimeField()
    time_ns = models.BigIntegerField()
    """Nanoseconds since the epoch, as the sensor saw it; `time` is the same to the microsecond."""
    received_at = models.DateTimeField()
    rule = models.CharField(max_length=255)
    priority = models.PositiveSmallIntegerField(choices=PRIORITIES)
    source = models.CharField(max_length=64)
    hostname = models.CharField(max_length=255)
    output = models.TextField()
    output_fields = models.JSONField()
    tags = models.JSONField()
    held_back = models.PositiveIntegerField(default=0)
    """Alerts of this rule that the sensor's limiter dropped before this one."""
    fingerprint = models.CharField(max_length=64)
    """Hash of source, rule and stable fields: what an acknowledgement or a comment belongs to."""
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    sensor = models.ForeignKey(
        Sensor, on_delete=models.DO_NOTHING, null=True, related_name="alerts", db_constraint=False, db_index=False
    )
    own_node = models.BooleanField(default=False)
    """An authenticated sensor told it about the node its token is bound to: what automatic actions ask for."""
    # Not stored: tables change, and what they say now is what counts.
    lookups: Mapping[str, str] = MappingProxyType({})
    """What the lookup tables say about it, where somebody asked them (`routing.lookups`)."""

    class Meta:
        indexes = [
            # Read by searches, newest first. PostgreSQL has one more for everything else (migration 0002).
            models.Index(fields=["rule", "uuid"], name="alert_by_rule"),
            models.Index(fields=["hostname", "uuid"], name="alert_by_host"),
            models.Index(fields=["priority", "uuid"], name="alert_by_priority"),
            # Read by the pages of alerts and groups: what else bears this fingerprint.
            models.Index(fields=["fingerprint", "uuid"], name="alert_by_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} on {self.hostname}"

    def get_absolute_url(self) -> str:
        return f"/alerts/{self.uuid}/"


class Unrouted(models.Model):
    """An alert that waits to be routed: stored together with it, deleted in the transaction that routes it."""

    alert = models.OneToOneField(
        Alert, on_delete=models.CASCADE, primary_key=True, related_name="waiting", db_constraint=False
    )
    received_at = models.DateTimeField()
    lane = models.PositiveSmallIntegerField(default=0)
    """Alerts of one rule wait in one lane, so that workers who route different lanes seldom want the same groups."""

    LANES = 4
    """A power of two."""

    class Meta:
        indexes = [
            # Read by pipeline.route_pending, at every ring and every sweep.
            models.Index(fields=["lane", "received_at", "alert"], name="unrouted_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} waits since {self.received_at}"


class AlertDay(models.Model):
    """A day of alerts (`routing.days`), and what is known of it after it was dropped."""

    day = models.DateField(unique=True)
    """UTC."""
    made_at = models.DateTimeField()
    dropped_at = models.DateTimeField(null=True)
    """From then on its alerts are refused, and soon they are gone."""
    gone_at = models.DateTimeField(null=True)
    alerts = models.PositiveBigIntegerField(null=True)
    """How many there were; null until they are counted, before they go."""
    by_priority = models.JSONField(default=dict)
    """The same by the priority's name."""
    by_rule = models.JSONField(default=dict)
    """The same by rule, of the thousand that had most."""

    def __str__(self) -> str:
        return f"{self.day}"


class AlertGroup(models.Model):
    """Alerts that one route tells together: they share the route's `group_by` values."""

    class State(models.TextChoices):
        FIRING = "firing", "Firing"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        RESOLVED = "resolved", "Resolved"

    UNRESOLVED = (State.FIRING, State.ACKNOWLEDGED)

    route = models.ForeignKey("routing.Route", on_delete=models.PROTECT, related_name="groups")
    key = models.CharField(max_length=64)
    """Hash of `labels`."""
    labels = models.JSONField()
    """The `group_by` fields and their values."""
    fingerprint = models.CharField(max_length=64)
    """The newest alert's."""
    title = models.CharField(max_length=255)
    priority = models.PositiveSmallIntegerField(choices=PRIORITIES)
    """The most severe one of this life."""
    state = models.CharField(max_length=16, choices=State.choices, default=State.FIRING)
    count = models.PositiveIntegerField(default=0)
    """The alerts of this life."""
    first_seen_at = models.DateTimeField()
    """When this life began: the group's first alert, or the first one after the group was resolved."""
    last_seen_at = models.DateTimeField()
    next_flush_at = models.DateTimeField(null=True)
    """When the group must be looked at again; null: nothing is new."""
    told_at = models.DateTimeField(null=True)
    told_count = models.PositiveIntegerField(default=0)
    """`count` when it was last told."""
    resolved_at = models.DateTimeField(null=True)
    held_by = models.CharField(max_length=255, blank=True)
    """What the route waits for with telling, as `muted by nights`; empty where it does not wait."""
    held_until = models.DateTimeField(null=True)
    unacknowledged_since = models.DateTimeField(null=True)
    """Since when somebody ought to have acknowledged it; null where nobody is waited for."""
    escalated_to = models.PositiveIntegerField(default=0)
    """The delay of the last escalation step that was taken, in seconds."""
    next_step_at = models.DateTimeField(null=True)
    """When the next one is due."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["route", "key"], name="group_once_per_route_and_key")]
        indexes = [
            # Read by pipeline.flush_due, every sweep.
            models.Index(fields=["next_flush_at"], condition=Q(next_flush_at__isnull=False), name="group_flush_due"),
            models.Index(fields=["state", "-last_seen_at"], name="group_by_state"),
            models.Index(fields=["fingerprint"], name="group_by_fingerprint"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return f"/groups/{self.pk}/"

    @property
    def current(self) -> "models.QuerySet[GroupedAlert]":
        """The places of this life's alerts. Those of earlier lives bear the same numbers, and are older."""
        return self.members.filter(routed_at__gte=self.first_seen_at, number__lte=self.count)


class GroupedAlert(models.Model):
    """An alert's place in a group. Cut into days like the alerts."""

    pk = models.CompositePrimaryKey("alert_id", "group_id")
    alert = models.ForeignKey(
        Alert, on_delete=models.CASCADE, related_name="memberships", db_constraint=False, db_index=False
    )
    group = models.ForeignKey(
        AlertGroup, on_delete=models.CASCADE, related_name="members", db_constraint=False, db_index=False
    )
    routed_at = models.DateTimeField()
    """Never before the group's `first_seen_at`. Of what its sender says again (`routing.continuing`): when it was said
    last."""
    route_version = models.PositiveIntegerField()
    """The version of the route that took the alert."""
    number = models.PositiveIntegerField(default=0)
    """The group's `count` with this alert: what is above its `told_count` was not told yet, however old it is. 0 in
    rows from before there were numbers."""

    class Meta:
        indexes = [
            # Read by whoever asks for a group's newest alerts.
            models.Index(fields=["group", "alert"], name="grouped_by_group"),
            # Read by tellings.newest_alerts.
            models.Index(fields=["group", "number"], name="grouped_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.alert_id} in {self.group_id}"


class Acknowledgement(models.Model):
    """Somebody looks after everything with this fingerprint; it ends when the alert is resolved or by hand."""

    fingerprint = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    comment = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"acknowledged by {self.user}"


class Comment(models.Model):
    """What somebody said about a fingerprint."""

    fingerprint = models.CharField(max_length=64, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    def __str__(self) -> str:
        return f"{self.user}: {self.text[:40]}"
