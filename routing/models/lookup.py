"""Tables that add to alerts what the sensors do not know."""

from django.db import models


class Lookup(models.Model):
    """A table by the values of one field, as namespace → team → channel; `routing.lookups` reads it."""

    name = models.CharField(max_length=50, unique=True)
    """As conditions write it: `alert.lookup[NAME.COLUMN]`."""
    text = models.TextField()
    """CSV. The first line names an alert's field and then the columns."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the text: who has read it already need not read it again."""
    comment = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
