"""Who asks for something through the API, from where, and for which row."""

from collections.abc import Iterable
from typing import TypeVar

from django.db import models
from django.http import Http404, HttpRequest

Row = TypeVar("Row", bound=models.Model)

MOST = 1_000
"""Items of a page."""


def address(request: HttpRequest) -> str | None:
    """Where the request comes from, for the audit log."""
    return request.META.get("REMOTE_ADDR") or None


def found(rows: models.QuerySet[Row], pk: int) -> Row:
    """Raises Http404."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def cut(rows: Iterable[Row], limit: int) -> tuple[list[Row], int | None]:
    """A page of rows of which one more than `limit` was asked for, and the id where the next one continues."""
    listed = list(rows)
    return listed[:limit], listed[limit - 1].pk if len(listed) > limit else None
