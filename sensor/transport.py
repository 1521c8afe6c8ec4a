"""The sensor's only way out: JSON over HTTP(S) to its server, with a bearer token.

Here is what a request looks like and what an answer means; who asks again, and when, is decided by the
callers. One client belongs to one thread.
"""

import gzip
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import requests
import structlog

from sensor.config import ConfigError, Secret, Server
from sensor.version import VERSION

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
LONGEST_BACKOFF = 60.0
SLOW_RETRY = 30.0
"""Seconds between tries when a person has to change something first (token, URL)."""
LONGEST_RETRY_AFTER = 3600.0
ANSWER_BYTES = 64 * 1024 * 1024
"""An answer larger than this is not read; a ruleset of 500 rules is well below one megabyte."""


class Verdict(StrEnum):
    """What an answer asks of the caller."""

    ACCEPTED = "accepted"
    LATER = "try again later"
    MISCONFIGURED = "token or URL refused; slow retry"
    SPLIT = "too large; send less at once"
    REFUSED = "content refused for good"


class Unreachable(Exception):
    """No answer came; the text says why and names no secret."""


class Answer(msgspec.Struct, frozen=True):
    """A server's answer: status, body as JSON if it was JSON, and how long it asks us to wait."""

    status: int
    body: Any = None
    retry_after: float | None = None

    @property
    def verdict(self) -> Verdict:
        return verdict(self.status)

    @property
    def told(self) -> str:
        """Status and problem text, for logs."""
        problem = self.body if isinstance(self.body, dict) else {}
        text = problem.get("detail") or problem.get("title")
        return f"{self.status} {text}" if text else str(self.status)


def verdict(status: int) -> Verdict:
    """The meaning of an HTTP status for a post of alerts."""
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    if status == 413:
        return Verdict.SPLIT
    if status in (400, 422):
        return Verdict.REFUSED
    if status in (408, 425, 429) or status >= 500:
        return Verdict.LATER
    # 401, 403, a wrong path, a redirect: the alerts are fine, the settings are not.
    return Verdict.MISCONFIGURED


def backoff(tries: int, chance: float | None = None) -> float:
    """Seconds to wait after `tries` failures: exponential with full jitter; `chance` in [0, 1) for tests."""
    ceiling = min(LONGEST_BACKOFF, 0.5 * 2.0 ** min(tries, 10))
    return ceiling * (random.random() if chance is None else chance)  # noqa: S311 - spreads load, guards nothing


def retry_after(value: str | None, now: float) -> float | None:
    """`Retry-After` in seconds from `now` (Unix time), as RFC 9110 section 10.2.3 writes it; None if unusable."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError):
        return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER)


class _Bearer(requests.auth.AuthBase):
    """Adds the token, and asks for it again after it was refused."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._token: Secret = server.read_token()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request

    def renew(self) -> None:
        """Read the token file again; while it cannot be read, the old token stays."""
        try:
            self._token = self._server.read_token()
        except ConfigError as error:
            log.warning("token_not_read", error=str(error))


class Client:
    """Requests to one server. Every call raises Unreachable when there is no answer."""

    def __init__(self, server: Server) -> None:
        """Raises ConfigError if the token or the CA file cannot be read."""
        if server.ca_file and not Path(server.ca_file).exists():
            raise ConfigError(f"server.ca_file {server.ca_file} does not exist")
        self._base = server.url.rstrip("/")
        self._bearer = _Bearer(server)
        self._session = requests.Session()
        # Neither proxies nor certificates nor a .netrc from the environment: the settings say it all.
        self._session.trust_env = False
        self._session.auth = self._bearer
        self._session.verify = server.ca_file or True
        self._session.headers["User-Agent"] = f"sensorapp-sensor/{VERSION}"

    def __repr__(self) -> str:
        return f"Client({self._base})"

    def post_alerts(self, bodies: list[bytes]) -> Answer:
        """Post alerts, each already JSON, as one compressed array."""
        payload = gzip.compress(b"[" + b",".join(bodies) + b"]", compresslevel=1, mtime=0)
        return self._send("POST", "/api/v1/alerts", payload, {"Content-Encoding": "gzip"})

    def hello(self, greeting: Mapping[str, Any]) -> Answer:
        """Say that this sensor is alive and how it is doing."""
        return self._send_json("/api/v1/sensors/hello", greeting)

    def ruleset(self, have: int) -> Answer:
        """The published ruleset if it is newer than `have`: 200 with it, or 204."""
        return self._send("GET", f"/api/v1/ruleset?have={have}", None, {})

    def lease(self, hostname: str, kinds: list[str], wait: int) -> Answer:
        """Ask for actions to run here, waiting up to `wait` seconds for one."""
        body = {"hostname": hostname, "kinds": kinds, "wait": wait}
        return self._send_json("/api/v1/actions/lease", body, read_seconds=wait + 10.0)

    def result(self, action: str, result: Mapping[str, Any]) -> Answer:
        """Tell how an action ended."""
        return self._send_json(f"/api/v1/actions/{action}/result", result)

    def _send_json(self, path: str, body: Mapping[str, Any], read_seconds: float = READ_SECONDS) -> Answer:
        return self._send("POST", path, msgspec.json.encode(body), {}, read_seconds)

    def _send(
        self,
        method: str,
        path: str,
        payload: bytes | None,
        headers: dict[str, str],
        read_seconds: float = READ_SECONDS,
    ) -> Answer:
        if payload is not None:
            headers = {"Content-Type": "application/json", **headers}
        try:
            with self._session.request(
                method,
                self._base + path,
                data=payload,
                headers=headers,
                timeout=(CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return self._answer(response)
        except requests.RequestException as error:
            raise Unreachable(f"{method} {self._base}{path}: {_cause(error)}") from None

    def _answer(self, response: requests.Response) -> Answer:
        content = bytearray()
        for chunk in response.iter_content(65536):
            content += chunk
            if len(content) > ANSWER_BYTES:
                raise requests.exceptions.ContentDecodingError("the answer is too large")
        if response.status_code == 401:
            self._bearer.renew()
        try:
            body = msgspec.json.decode(bytes(content)) if content else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            body = None
        wait = retry_after(response.headers.get("Retry-After"), time.time())
        return Answer(response.status_code, body, wait)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()


def _cause(error: requests.RequestException) -> str:
    """The innermost reason in words; the outer ones only repeat the address."""
    first = error.args[0] if error.args else None
    return str(getattr(first, "reason", None) or error)
