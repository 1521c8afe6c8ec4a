"""Configured responses, and every use of them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class ResponseAction(models.Model):
    """A configured response of some kind (`routing.actions`); a route asks for it."""

    class Mode(models.TextChoices):
        OFF = "off", "Off"
        DRY_RUN = "dry_run", "Dry run: check everything, do nothing"
        APPROVE = "approve", "After a person's approval"
        AUTOMATIC = "automatic", "Automatic"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=32)
    params = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.DRY_RUN)
    condition = models.TextField(blank=True)
    """In the rule language, over alerts: narrows what the route matched; empty is everything."""
    max_alert_age = models.PositiveIntegerField(default=300)
    """Seconds; an older alert asks for nothing, for the world has moved on."""
    approval_ttl = models.PositiveIntegerField(default=900)
    """Seconds in which an approval must come."""
    max_per_hour = models.PositiveIntegerField(default=20)
    """Runs in any hour; over it they are refused."""

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ActionRun(models.Model):
    """One use of a response action against one target."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        AWAITING_APPROVAL = "awaiting_approval", "Awaiting approval"
        APPROVED = "approved", "Approved"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        PARTIAL = "partial", "Partial"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"
        SKIPPED = "skipped", "Skipped"
        REFUSED = "refused", "Refused"
        DENIED = "denied", "Denied"
        EXPIRED = "expired", "Expired"
        SUPERSEDED = "superseded", "Superseded"
        WOULD_HAVE = "would_have", "Would have"
        UNDONE = "undone", "Undone"

    uuid = models.UUIDField(unique=True, default=uuid.uuid4)
    digest = models.CharField(max_length=64, unique=True)
    """Hash of alert, action and target: the same alert never asks twice."""
    target_key = models.CharField(max_length=64, blank=True)
    """Hash of the kind and what identifies the target; empty where the alert named none."""
    action = models.ForeignKey(ResponseAction, on_delete=models.PROTECT, related_name="runs")
    alert = models.ForeignKey("routing.Alert", on_delete=models.DO_NOTHING, related_name="runs", db_constraint=False)
    """A run is kept for longer than alerts are: read it only where it may be missing, or while the run is young."""
    group = models.ForeignKey("routing.AlertGroup", on_delete=models.SET_NULL, null=True, related_name="runs")
    route = models.ForeignKey("routing.Route", on_delete=models.SET_NULL, null=True, related_name="+")
    sensor = models.ForeignKey("routing.Sensor", on_delete=models.SET_NULL, null=True, related_name="runs")
    """The node that must run it, for kinds that run on the node."""
    mode = models.CharField(max_length=16, choices=ResponseAction.Mode.choices)
    """The action's mode when the run was requested, lowered where the alert's origin does not allow more."""
    kind = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    target = models.JSONField()
    description = models.TextField()
    """In words, as the approve button says it: Kill pid 4242 (xmrig) on node-7."""
    state = models.CharField(max_length=20, choices=State.choices, default=State.REQUESTED)
    reason = models.TextField(blank=True)
    """Why it is in this state: the guard that refused, why it was skipped, what failed."""
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    """The person who asked by hand, and who therefore may not approve; null where a route asked."""
    expires_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)
    """What the approver or denier said."""
    lease = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        constraints = [
            # Two rules that see one attack must not race each other to the same target.
            models.UniqueConstraint(
                fields=["target_key"],
                condition=Q(state__in=["awaiting_approval", "approved", "running"])
                & ~Q(mode="dry_run")
                & ~Q(target_key=""),
                name="run_one_live_per_target",
            )
        ]
        indexes = [
            # Read by executor.lease, at every long poll of a sensor.
            models.Index(fields=["sensor", "id"], condition=Q(state="approved"), name="run_leasable"),
            # Read by approvals.expire_due, every sweep.
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["awaiting_approval", "approved", "running"]),
                name="run_expiring",
            ),
            models.Index(fields=["state", "-requested_at"], name="run_by_state"),
            # Read by approvals.request: what else was done to this target.
            models.Index(fields=["target_key"], name="run_by_target"),
            # Read by the budget guard.
            models.Index(fields=["action", "-requested_at"], name="run_by_action"),
        ]

    def __str__(self) -> str:
        return self.description

    def get_absolute_url(self) -> str:
        return f"/runs/{self.uuid}/"
