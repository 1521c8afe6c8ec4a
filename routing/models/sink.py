"""Where messages go, what is owed to each place, and every try."""

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from routing.models.encrypted import EncryptedJSONField


class Sink(models.Model):
    """A configured destination of some kind (`routing.sinks`)."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=32)
    config = models.JSONField(default=dict, blank=True)
    """The kind's options, except the secret ones."""
    secrets = EncryptedJSONField(default=dict)
    """The kind's secret options, encrypted at rest: texts, or where they are kept (`routing.references`)."""
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=255, blank=True)
    """Why the product itself stopped using it, e.g. the receiver answered 410."""
    failures = models.PositiveIntegerField(default=0)
    """Failed attempts since the last success."""
    failing_since = models.DateTimeField(null=True, blank=True)
    """When the first of those was; also when the product itself stopped using it."""
    told_failing_at = models.DateTimeField(null=True, blank=True)
    """When an alert last said that it fails (`routing.failing`)."""
    open_until = models.DateTimeField(null=True, blank=True)
    """The circuit breaker: nothing is sent before this time."""
    revision = models.PositiveIntegerField(default=0)
    """Raised when a person mends, resumes or pauses it: what a call that began before says of it no longer counts."""
    most_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    """Messages a minute; null is what the kind says."""
    free_at = models.DateTimeField(null=True, blank=True)
    """When the next message may go (`routing.pacing`)."""
    title_template = models.TextField(blank=True)
    """A template of the title (`routing.templating`); empty for the usual one."""
    body_template = models.TextField(blank=True)
    warning = models.CharField(max_length=255, blank=True)
    """What is wrong and can be mended, e.g. the receiver refuses the credentials."""
    last_sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message owed to one sink: the outbox."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"
        SUPPRESSED = "suppressed", "Suppressed"
        FOLDED = "folded", "Folded"
        DISCARDED = "discarded", "Discarded"

    UNSETTLED = (State.QUEUED, State.SENDING)
    DEAD = (State.FAILED, State.UNKNOWN)
    """The dead letters, which nobody sends any more until somebody says so."""

    uuid = models.UUIDField(unique=True, default=uuid.uuid4)
    """Goes with every attempt, so that a receiver can tell a repeat."""
    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="deliveries")
    route = models.ForeignKey("routing.Route", on_delete=models.SET_NULL, null=True, related_name="+")
    group = models.ForeignKey("routing.AlertGroup", on_delete=models.CASCADE, null=True, related_name="deliveries")
    """Null for a test message."""
    alert_ids = models.JSONField(default=list)
    """The uuids of the alerts the message is about, newest last; at most the newest hundred."""
    alert_count = models.PositiveIntegerField(default=0)
    """How many alerts of the group the message stands for."""
    other_groups = models.PositiveIntegerField(default=0)
    """Further groups of the same rule that the message stands for (`folding.digest`); none where it is no digest."""
    event = models.CharField(max_length=16, default="firing")
    """What is told: firing, acknowledged, resolved or test."""
    reason = models.CharField(max_length=64)
    """Why it is told (`grouping.NotifyReason`), or why not."""
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    attempts_made = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    claim = models.UUIDField(null=True)
    """Names the worker's try; settling asks for it, so that a worker given up on cannot overwrite its successor."""
    lease_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    folded_into = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="folded", db_index=False)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            # Read by every claim, in this order, and by deliveries.due, every sweep.
            models.Index(fields=["sink", "next_attempt_at", "id"], condition=Q(state="queued"), name="delivery_due"),
            # Read by every claim, for each delivery that it looks at: which of its group comes first.
            models.Index(
                fields=["sink", "group", "id"],
                condition=Q(state="queued") | Q(state="sending"),
                name="delivery_in_order",
            ),
            # The same, about digests: those that are not settled, and whether they tell of its group.
            models.Index(
                fields=["sink"],
                condition=Q(Q(state="queued") | Q(state="sending"), other_groups__gt=0),
                name="delivery_digests",
            ),
            models.Index(
                fields=["folded_into", "group", "id"],
                condition=Q(folded_into__isnull=False),
                name="delivery_folded",
            ),
            # Read by deliveries.take_back, every sweep, and by every claim, which counts a sink's.
            models.Index(fields=["lease_until"], condition=Q(state="sending"), name="delivery_leased"),
            # Read by the delivery log.
            models.Index(fields=["state", "-created_at"], name="delivery_by_state"),
            models.Index(fields=["sink", "-created_at"], name="delivery_by_sink"),
            # Read by the overview and by keeping.tidy.
            models.Index(fields=["settled_at"], condition=Q(settled_at__isnull=False), name="delivery_settled"),
            models.Index(fields=["-created_at"], name="delivery_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.sink_id}: {self.state}"


class Receipt(models.Model):
    """What a sink remembers about a group, such as the message that it will edit; only its kind can read it."""

    sink = models.ForeignKey(Sink, on_delete=models.CASCADE, related_name="+")
    group = models.ForeignKey("routing.AlertGroup", on_delete=models.CASCADE, related_name="+")
    said = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sink", "group"], name="receipt_once_per_sink_and_group")]

    def __str__(self) -> str:
        return f"of sink {self.sink_id} about group {self.group_id}"


class Attempt(models.Model):
    """One try of a delivery, written before the call and completed after it."""

    class Outcome(models.TextChoices):
        UNKNOWN = "unknown", "No outcome recorded"
        SENT = "sent", "Sent"
        RETRY = "retry", "Failed, tried again"
        FAILED = "failed", "Failed"

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.UNKNOWN)
    status = models.PositiveSmallIntegerField(null=True)
    """The receiver's status code, where its protocol has one."""
    latency_ms = models.PositiveIntegerField(null=True)
    request = models.TextField(blank=True)
    """What was sent, secrets masked, cut to 4 KB."""
    response = models.TextField(blank=True)
    """What came back, secrets masked, cut to 4 KB."""
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="attempt_number_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.delivery_id}: {self.outcome}"
