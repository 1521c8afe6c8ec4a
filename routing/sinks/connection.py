"""A connection for sinks that do not speak HTTP: to a checked address, in the open or in TLS, and cut in the end."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from routing.deadlines import Deadline
from routing.outbound import OutboundError, dial

SECONDS = 10.0
"""For each write and each answer."""
TOTAL = 40.0
"""Seconds for everything after connecting: a receiver that drips its answers never hits the other limit, and a claim
on a delivery ends after a minute."""


@contextmanager
def opened(
    host: str,
    port: int,
    *,
    tls: bool,
    certificates: str = "",
    greeted: Callable[[socket.socket], None] = lambda connection: None,
) -> Iterator[socket.socket]:
    """A connection; `certificates` (PEM) are trusted in place of the system's.

    `greeted` reads what a server says before encryption begins, and raises OutboundError where that must not be.
    Raises OutboundError where there is no connection, and ValueError where the certificates are none. What goes wrong
    later is an OSError.
    """
    context = _context(certificates) if tls else None
    connection = dial(host, port)
    with closing(Deadline(TOTAL)) as deadline:
        deadline.watch(connection)
        try:
            greeted(connection)
            if context is not None:
                connection = _encrypted(connection, context, host)
            connection.settimeout(SECONDS)
            yield connection
        finally:
            connection.close()


def check_certificates(certificates: str) -> None:
    """Raises ValueError where something is entered that is no certificate."""
    if certificates.strip():
        _context(certificates)


def _context(certificates: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=certificates.strip() or None)
    except (ssl.SSLError, ValueError):
        raise ValueError("The trusted certificates are not PEM; paste them with their BEGIN and END lines") from None


def _encrypted(connection: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(connection, server_hostname=host)
    except (ssl.SSLError, ValueError):
        raise OutboundError(
            f"The certificate of {host} is not trusted, or it does not speak TLS on this port"
        ) from None
    except OSError:
        raise OutboundError(f"{host} closed the connection, or did not answer, while TLS was being agreed on") from None
