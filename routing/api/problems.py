"""What a request that cannot be served is answered: problem details of RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """A refusal: status, what is wrong in words that say what to do, and members of its own."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def body(self) -> dict[str, Any]:
        """As RFC 9457 spells it; the type is `about:blank`, so the title is the status's own phrase."""
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail, **self.members}

    def encoded(self) -> bytes:
        return orjson.dumps(self.body())


def without_a_database() -> Problem:
    """What to answer while the database is away or busy: it comes back by itself, and so shall whoever asked."""
    return Problem(503, "The database cannot be reached; try again soon.", {"Retry-After": "1"})
