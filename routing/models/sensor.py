"""The nodes' agents, as they last reported themselves."""

from django.db import models

from routing.models.member import Token


class Sensor(models.Model):
    """One agent on one node: ours, or a Falco that posts to us."""

    name = models.CharField(max_length=255)
    hostname = models.CharField(max_length=255)
    token = models.ForeignKey(Token, on_delete=models.PROTECT, related_name="sensors")
    native = models.BooleanField(default=False)
    """True once it said hello: it can be asked to run actions."""
    labels = models.JSONField(default=dict, blank=True)
    version = models.CharField(max_length=64, blank=True)
    kernel = models.CharField(max_length=255, blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    probes = models.JSONField(default=list, blank=True)
    actions = models.JSONField(default=list, blank=True)
    """Kinds of action the node's own allow-list lets it run."""
    ruleset = models.PositiveIntegerField(default=0)
    stats = models.JSONField(default=dict, blank=True)
    clock_skew_ms = models.IntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token", "hostname"], name="sensor_once_per_token_and_host")]

    def __str__(self) -> str:
        return self.name
