"""The server's only way out: every connection it makes to the world is opened here.

A sink's address is typed in by people, and a name can be made to point anywhere, so the address is checked when
the connection is made: the name is resolved, every address it has is checked, and the connection goes to a checked
address while Host header, TLS server name and certificate check keep the name. Loopback, private, link-local (where
clouds keep their metadata), shared and reserved addresses need an entry in `OUTBOUND_ALLOW`. Redirects are not
followed, proxies and netrc of the environment are not read, answers are cut, and the whole exchange has a deadline.
"""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
from django.conf import settings
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationValueError, ReadTimeoutError, SSLError

# Its lines hold addresses, and addresses hold secrets: also its warning about headers that cannot be read.
logging.getLogger("urllib3").setLevel(logging.ERROR)

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0
TOTAL_SECONDS = 25.0
"""From the first byte sent to the last one read. Name resolution comes before it and has the resolver's own limit."""
MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read; no receiver has more to say that matters."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
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


def dial_check(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
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


def dial(host: str, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
    """A TCP connection to a checked address; `timeout` seconds for connecting, and for each later read and write.

    Raises OutboundError.
    """
    problem = "does not answer"
    for family, address in dial_check(host, port):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
            return connection
        except TimeoutError:
            problem = f"did not answer within {timeout:g} s"
        except ConnectionRefusedError:
            problem = "refuses connections"
        except OSError as error:
            problem = f"cannot be reached ({error.strerror})"
        connection.close()
    raise OutboundError(f"{host} port {port} {problem}")


class _Deadline(threading.local):
    """When the exchange of this thread must be over, on the monotonic clock."""

    at = 0.0


_deadline = _Deadline()


class _Checked:
    """Opens its socket with `dial` and cuts it when the deadline passes while an answer is awaited."""

    def _new_conn(self) -> socket.socket:
        left = _deadline.at - time.monotonic()
        return dial(self._dns_host, self.port, max(0.1, min(CONNECT_SECONDS, left)))  # type: ignore[attr-defined]

    def getresponse(self) -> Any:
        # A receiver that sends one header byte every few seconds never hits the read timeout.
        with _watch.over(self.sock, _deadline.at):  # type: ignore[attr-defined]
            return super().getresponse()  # type: ignore[misc]


class _Watch:
    """Cuts connections whose deadline passes: one thread for all of them, for a thread each would cost more than
    the exchange.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: dict[object, tuple[float, socket.socket | None]] = {}
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: socket.socket | None, deadline: float) -> Iterator[None]:
        """Cut the connection at the deadline, on the monotonic clock, unless this is left before it."""
        ticket = object()
        with self._changed:
            self._watched[ticket] = (deadline, connection)
            # A process that was forked off has none of the threads.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                del self._watched[ticket]

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                ahead = [deadline for deadline, _ in self._watched.values() if deadline > now]
                for deadline, connection in self._watched.values():
                    if deadline <= now:
                        hang_up(connection)
                # It sleeps on where everything ended in time: the next deadline is later than those before it.
                self._wakes_at = min(ahead, default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)


_watch = _Watch()


def hang_up(connection: socket.socket | None) -> None:
    """Cut a connection under whoever reads or writes it; for a watch in another thread."""
    if connection is not None:
        try:
            # The method of TLS sockets would first turn encryption off under a writer.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
        except OSError:
            return  # It is closed already.


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
    parts = _parts(url)
    host = parts.hostname or ""
    started = time.monotonic()
    _deadline.at = started + total
    with _plain_errors(host):
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
            if time.monotonic() >= _deadline.at:
                # The connection was cut, and what had come of the headers looks like all of them.
                raise OutboundError(f"{host} did not finish its answer in time", arrived=True)
            content = _read(response)
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


def _parts(url: str) -> SplitResult:
    """An http URL; raises AddressRefused for anything else."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port):
            return parts
    except ValueError:
        raise AddressRefused("The address is not a valid URL") from None
    raise AddressRefused("The address is not an http or https URL")


def _read(response: BaseHTTPResponse) -> bytes:
    """The body's first `MAX_ANSWER` bytes, or what came of it before the deadline."""
    parts: list[bytes] = []
    size = 0
    while size < MAX_ANSWER and time.monotonic() < _deadline.at:
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
def _plain_errors(host: str) -> Iterator[None]:
    """Turns what goes wrong into a sentence. The library's own texts hold URLs, which hold secrets."""
    try:
        yield
    except OutboundError:
        raise
    except SSLError:
        raise OutboundError(
            f"The certificate of {host} is not trusted or not for this name; mend it there, or use the right name"
        ) from None
    except (ReadTimeoutError, TimeoutError):
        raise OutboundError(f"{host} took the request but did not answer in time", arrived=True) from None
    except LocationValueError:
        raise AddressRefused("The address is not a valid URL") from None
    except ValueError:
        # What http.client says of a header's name or value, and of letters that it cannot write.
        raise AddressRefused(_BAD_HEADER) from None
    except (HTTPError, OSError):
        late = time.monotonic() >= _deadline.at
        problem = "did not finish its answer in time" if late else "closed the connection before it answered"
        raise OutboundError(f"{host} {problem}", arrived=True) from None
