"""What stands before every raw path: allowed hosts, a request id, security headers, and an answer to every error.

Django's middleware does the same for everything else. Tokens in URLs never reach a log line from here: the
path is logged with them masked.
"""

import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http.request import split_domain_port, validate_host
from structlog.contextvars import bound_contextvars

from routing import metrics
from routing.api import request_ids
from routing.api.problems import Problem, without_a_database
from routing.api.wire import Gone, Message, Receive, Request, Scope, Send, answer_problem

log = structlog.get_logger(__name__)

Endpoint = Callable[[Request, Send], Awaitable[None]]

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
IN_URL = re.compile(r"^(/ingest/).+$", re.DOTALL)


class Answered:
    """Passes a response on with the gate's headers, and remembers its status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._extra = [*HEADERS, (request_ids.HEADER, request_id.encode())]
        if settings.SECURE_HSTS_SECONDS:
            self._extra.append((b"strict-transport-security", f"max-age={settings.SECURE_HSTS_SECONDS}".encode()))
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._extra]
        await self._send(message)


def masked_path(path: str) -> str:
    """The path as it may be logged: without a token."""
    return IN_URL.sub(r"\1***/", path)


async def through(
    endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, *, methods: tuple[str, ...], any_host: bool = False
) -> None:
    """Serve a request by `endpoint`, or answer why not. `any_host`: for probes, which call by address."""
    request = Request(scope, receive)
    request_id = request_ids.request_id(request.headers.get("x-request-id", ""))
    with bound_contextvars(request_id=request_id):
        await _through(endpoint, request, Answered(send, request_id), methods, any_host)


async def _through(
    endpoint: Endpoint, request: Request, answered: Answered, methods: tuple[str, ...], any_host: bool
) -> None:
    started = time.monotonic()
    try:
        if not any_host and not _host_allowed(request.headers.get("host", ""), tuple(settings.ALLOWED_HOSTS)):
            raise Problem(400, "This host name is not served here; add it to ALLOWED_HOSTS.")
        if request.method not in methods:
            raise Problem(405, f"Use {' or '.join(methods)}.", {"Allow": ", ".join(methods)})
        await endpoint(request, answered)
    except Gone:
        return
    except Problem as problem:
        await request.drain()
        await answer_problem(answered, problem)
    except (OperationalError, InterfaceError) as error:
        log.error("database_away", path=masked_path(request.path), error=str(error))
        if answered.status is None:
            await answer_problem(answered, without_a_database())
    except Exception:
        # The edge of the server: the client gets an answer, the log the reason.
        log.exception("request_failed", path=masked_path(request.path))
        if answered.status is None:
            await answer_problem(answered, Problem(503, "The server failed at this request; try again later."))
    if answered.status is not None:
        metrics.REQUESTS.add(1, masked_path(request.path), str(answered.status))
    if answered.status is not None and answered.status >= 400:
        # Whoever asks for health asks every second, and is told what is missing.
        note = log.debug if any_host else log.info
        note(
            "request_refused",
            method=request.method,
            path=masked_path(request.path),
            status=answered.status,
            milliseconds=round((time.monotonic() - started) * 1000),
        )


@lru_cache(maxsize=256)
def _host_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)
