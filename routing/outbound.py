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
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

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
        watch = threading.Timer(max(0.0, _deadline.at - time.monotonic()), hang_up, [self.sock])  # type: ignore[attr-defined]
        watch.daemon = True
        watch.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            watch.cancel()


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


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


class _Sessions(threading.local):
    """One session a thread, so that connections are kept but never shared."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Adapter(pool_connections=32, pool_maxsize=1, max_retries=0))


_sessions = _Sessions()


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
    host = _host(url)
    started = time.monotonic()
    _deadline.at = started + total
    with _plain_errors(host):
        response = _sessions.session.request(
            method,
            url,
            data=body,
            headers={"User-Agent": "sensorapp", **(headers or {})},
            timeout=(CONNECT_SECONDS, min(READ_SECONDS, total)),
            allow_redirects=False,
            stream=True,
            verify=ca or True,
        )
        with response:
            if time.monotonic() >= _deadline.at:
                # The connection was cut, and what had come of the headers looks like all of them.
                raise OutboundError(f"{host} did not finish its answer in time", arrived=True)
            content = _read(response)
    return Answer(response.status_code, response.headers, content, time.monotonic() - started)


def _host(url: str) -> str:
    """The host of an http URL; raises AddressRefused for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressRefused("The address is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressRefused("The address is not an http or https URL")
    return parts.hostname


def _read(response: requests.Response) -> bytes:
    """The body's first `MAX_ANSWER` bytes, or what came of it before the deadline."""
    parts: list[bytes] = []
    size = 0
    while size < MAX_ANSWER and time.monotonic() < _deadline.at:
        try:
            part = response.raw.read1(MAX_ANSWER - size, decode_content=True)
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
    except requests.exceptions.SSLError:
        raise OutboundError(
            f"The certificate of {host} is not trusted or not for this name; mend it there, or use the right name"
        ) from None
    except (requests.exceptions.ReadTimeout, TimeoutError):
        raise OutboundError(f"{host} took the request but did not answer in time", arrived=True) from None
    except requests.exceptions.InvalidURL:
        raise AddressRefused("The address is not a valid URL") from None
    except (requests.exceptions.InvalidHeader, UnicodeError):
        raise AddressRefused("A header has a character that HTTP cannot carry; enter the value again") from None
    except requests.exceptions.RequestException:
        late = time.monotonic() >= _deadline.at
        problem = "did not finish its answer in time" if late else "closed the connection before it answered"
        raise OutboundError(f"{host} {problem}", arrived=True) from None
