"""The server's only way out: every connection it makes to the world is opened here.

A sink's address is typed in by people, and a name can be made to point anywhere, so the address is checked when
the connection is made: the name is resolved, every address it has is checked, and the connection goes to a checked
address while Host header, TLS server name and certificate check keep the name. Loopback, private, link-local (where
clouds keep their metadata), shared and reserved addresses need an entry in `OUTBOUND_ALLOW`. Redirects are not
followed, proxies and netrc of the environment are not read, answers are cut, and the whole exchange has a deadline.
"""

import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from selectors import EVENT_WRITE, PollSelector
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
from django.conf import settings
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationValueError, ReadTimeoutError, SSLError

from routing.deadlines import Deadline

# Its lines hold addresses, and addresses hold secrets: also its warning about headers that cannot be read.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
TOTAL_SECONDS = 25.0
"""From the start to the last byte read. Only name resolution has the resolver's own limit."""
HEAD_START = 0.25
"""Seconds that an address has to answer before the next one of its host is tried as well, or less where many are."""
MOST_IDLE_SECONDS = 30.0
"""After which a connection is not used again: routers and load balancers forget idle ones without a word, and alerts
are rare."""
MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read; no receiver has more to say that matters."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Place = tuple[socket.AddressFamily, tuple[Any, ...]]
# Public by their numbers: the host agent of Azure (learn.microsoft.com, "What is IP address 168.63.129.16?"), and the
# protocol assignments of RFC 6890, where Oracle's cloud keeps its metadata and some versions of Python see no harm.
# Site-local addresses were given up by RFC 3879, and some networks still use them.
_INSIDE = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "fec0::/10")))
# RFC 6052 and RFC 3056: the last 32 bits, or bits 16 to 48, are an IPv4 address that a gateway would reach for us.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_6TO4 = ipaddress.ip_network("2002::/16")


class OutboundError(Exception):
    """A connection that failed; the text is a plain sentence without secrets.

    `arrived` is True where the other side may have got the request before it failed.
    """

    def __init__(self, text: str, *, arrived: bool = False) -> None:
        super().__init__(text)
        self.arrived = arrived


class AddressRefused(OutboundError):
    """Nothing was sent, and trying again changes nothing; most often the address is one that must not be reached."""


_BAD_HEADER = "A header has a character that HTTP cannot carry; enter the value again"


@dataclass(frozen=True)
class Answer:
    """What came back from an HTTP request."""

    status: int
    headers: Mapping[str, str]
    """Names compare without case."""
    body: bytes = field(repr=False)
    """At most `MAX_ANSWER` bytes."""
    seconds: float

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")


@lru_cache(maxsize=8)
def _allowed(blocks: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(block, strict=False) for block in blocks)


def _unwrapped(address: str) -> _Address:
    """The address a packet ends up at: an IPv6 address that stands for an IPv4 one counts as that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _6TO4:
        return ipaddress.IPv4Address(int(ip) >> 80 & 0xFFFFFFFF)
    return ip.ipv4_mapped or (ip.teredo[1] if ip.teredo else ip)


def may_connect(address: str) -> bool:
    """Whether this server connects to an address: public ones, and those in `OUTBOUND_ALLOW`."""
    ip = _unwrapped(address)
    if any(ip in block for block in _allowed(tuple(settings.OUTBOUND_ALLOW))):
        return True
    if any(ip in block for block in _INSIDE):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def dial_check(host: str, port: int) -> list[_Place]:
    """The checked addresses of a host; for libraries that dial on their own, and for `dial`.

    Raises OutboundError where the name cannot be resolved and AddressRefused where any of its addresses is
    refused: a name with one bad address is a trick or a mistake.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundError(f"The name {host} cannot be resolved; check the spelling and this server's DNS") from None
    for *_, address in found:
        if not may_connect(str(address[0])):
            raise AddressRefused(
                f"{host} is at {address[0]}, which is not a public address; "
                "an administrator can allow it with OUTBOUND_ALLOW"
            )
    return [(family, address) for family, *_, address in found]


def dial(host: str, port: int, timeout: float = CONNECT_SECONDS, until: float = float("inf")) -> socket.socket:
    """A TCP connection to a checked address; `timeout` seconds for each later read and write.

    All addresses of the host together have `timeout` seconds, and at most until `until` on the monotonic clock.
    Raises OutboundError.
    """
    addresses = dial_check(host, port)
    seconds = min(timeout, until - time.monotonic())
    if seconds <= 0:
        raise OutboundError(f"The name {host} took too long to resolve; check this server's DNS")
    try:
        connection = _first(addresses, seconds)
    except TimeoutError:
        problem = f"did not answer within {seconds:.2g} s"
    except ConnectionRefusedError:
        problem = "refuses connections"
    except OSError as error:
        problem = f"cannot be reached ({error.strerror})"
    else:
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise OutboundError(f"{host} port {port} {problem}")


def _first(addresses: list[_Place], seconds: float) -> socket.socket:
    """A connection to the address that answers first; raises OSError.

    As in RFC 8305 the next one is tried when those before it have had their head start, so that silent ones cost
    little.
    """
    until = time.monotonic() + seconds
    head_start = min(HEAD_START, seconds / 2 / len(addresses))
    waiting, next_at = addresses[::-1], 0.0
    problem: OSError = TimeoutError()
    with PollSelector() as racing:
        try:
            while waiting or racing.get_map():
                now = time.monotonic()
                if now >= until:
                    raise TimeoutError
                if waiting and now >= next_at:
                    next_at = now + head_start
                    try:
                        racing.register(_begun(*waiting.pop()), EVENT_WRITE)
                    except OSError as error:
                        problem, next_at = error, now
                    continue
                for key, _ in racing.select((min(until, next_at) if waiting else until) - now):
                    connection: socket.socket = key.fileobj  # type: ignore[assignment]
                    wrong = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    racing.unregister(connection)
                    if not wrong:
                        return connection
                    connection.close()
                    problem, next_at = OSError(wrong, os.strerror(wrong)), now
        finally:
            for key in racing.get_map().values():
                key.fileobj.close()  # type: ignore[union-attr]
    raise problem


def _begun(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    """A socket that is connecting. Raises OSError."""
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        connection.connect(address)
    except BlockingIOError:
        pass  # The usual case.
    except OSError:
        connection.close()
        raise
    return connection


@dataclass
class _Exchange:
    """One HTTP exchange of a thread."""

    deadline: Deadline
    asked: bool = False
    """Whether the request may have reached the other side."""


class _Current(threading.local):
    exchange: _Exchange


_current = _Current()


class _Checked:
    """Opens its socket with `dial`, and has it cut at the deadline from then on until the answer has been read."""

    _used_at = 0.0

    def _new_conn(self) -> socket.socket:
        deadline = _current.exchange.deadline
        connection = dial(self._dns_host, self.port, CONNECT_SECONDS, deadline.at)  # type: ignore[attr-defined]
        deadline.watch(connection)
        return connection

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.exchange.asked = True
        if self.sock is not None:  # type: ignore[attr-defined]
            _current.exchange.deadline.watch(self.sock)  # type: ignore[attr-defined]
        super().request(*args, **kwargs)  # type: ignore[misc]

    def getresponse(self) -> Any:
        self._used_at = time.monotonic()
        return super().getresponse()  # type: ignore[misc]

    @property
    def is_connected(self) -> bool:
        """Asked before a connection is used again."""
        fresh = time.monotonic() - self._used_at < MOST_IDLE_SECONDS
        return fresh and super().is_connected  # type: ignore[misc]


class _CheckedHTTP(_Checked, HTTPConnection):
    pass


class _CheckedHTTPS(_Checked, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _CheckedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedHTTPS


class _Pools(threading.local):
    """Connections of a thread, by the certificates they trust: they are kept but never shared."""

    def __init__(self) -> None:
        self.by_ca: dict[str, PoolManager] = {}

    def trusting(self, ca: str) -> PoolManager:
        if ca not in self.by_ca:
            pools = PoolManager(32, maxsize=1, retries=False, cert_reqs="CERT_REQUIRED", ca_certs=ca)
            pools.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
            self.by_ca[ca] = pools
        return self.by_ca[ca]


_pools = _Pools()


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    ca: str | None = None,
    total: float = TOTAL_SECONDS,
) -> Answer:
    """One HTTP exchange, at most `total` seconds long; `ca` names a file of certificates to trust instead of the usual.

    Raises OutboundError where no answer came; an answer of any status is an `Answer`.
    """
    parts = check_url(url)
    host = parts.hostname or ""
    started = time.monotonic()
    with closing(Deadline(total)) as deadline:
        _current.exchange = exchange = _Exchange(deadline)
        with _plain_errors(host, exchange):
            response = _pools.trusting(ca or certifi.where()).urlopen(
                method,
                url,
                body=body or None,
                headers=_headers(parts, headers or {}),
                timeout=Timeout(connect=CONNECT_SECONDS, read=min(READ_SECONDS, total)),
                redirect=False,
                preload_content=False,
            )
            try:
                if deadline.over:
                    # The connection was cut, and what had come of the headers looks like all of them.
                    raise OutboundError(f"{host} did not finish its answer in time", arrived=True)
                content = _read(response, deadline)
            finally:
                _done(response)
    return Answer(response.status, response.headers, content, time.monotonic() - started)


def _headers(url: SplitResult, given: Mapping[str, str]) -> dict[str, str]:
    """The request's headers; a name and password in the URL sign in (RFC 7617). Raises AddressRefused."""
    found = {"User-Agent": "sensorapp", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    if url.username or url.password:
        found |= make_headers(basic_auth=f"{unquote(url.username or '')}:{unquote(url.password or '')}")
    for name, value in given.items():
        if "\n" in value or "\r" in value:
            raise AddressRefused(_BAD_HEADER)
        found[name] = value
    return found


def _done(response: BaseHTTPResponse) -> None:
    """Keep the connection for the next request where everything was read, else close it."""
    if response.closed or response.length_remaining == 0:
        response.release_conn()
    else:
        response.close()


def check_url(url: str) -> SplitResult:
    """An http URL; raises AddressRefused for anything else."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port):
            return parts
    except ValueError:
        raise AddressRefused("The address is not a valid URL") from None
    raise AddressRefused("The address is not an http or https URL")


def _read(response: BaseHTTPResponse, deadline: Deadline) -> bytes:
    """The body's first `MAX_ANSWER` bytes, or what came of it before the deadline."""
    parts: list[bytes] = []
    size = 0
    while size < MAX_ANSWER and not deadline.over:
        try:
            part = response.read1(MAX_ANSWER - size, decode_content=True)
        except (HTTPError, OSError):
            break  # The status has been read, and it is what counts.
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


@contextmanager
def _plain_errors(host: str, exchange: _Exchange) -> Iterator[None]:
    """Turns what goes wrong into a sentence. The library's own texts hold URLs, which hold secrets."""
    try:
        yield
    except OutboundError:
        raise
    except (ReadTimeoutError, TimeoutError):
        took = "took the request but did not answer in time" if exchange.asked else "did not agree on TLS in time"
        raise OutboundError(f"{host} {took}", arrived=exchange.asked) from None
    except LocationValueError:
        raise AddressRefused("The address is not a valid URL") from None
    except ValueError:
        # What http.client says of a header's name or value, and of letters that it cannot write.
        raise AddressRefused(_BAD_HEADER) from None
    except (HTTPError, OSError) as error:
        if exchange.deadline.over:
            raise OutboundError(f"{host} did not finish its answer in time", arrived=exchange.asked) from None
        if isinstance(error, SSLError):
            raise OutboundError(
                f"The certificate of {host} is not trusted or not for this name; mend it there, or use the right name"
            ) from None
        raise OutboundError(f"{host} closed the connection before it answered", arrived=exchange.asked) from None
