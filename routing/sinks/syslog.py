"""Syslog, RFC 5424, over UDP, TCP or TLS: one message for each alert, as text, JSON or CEF.

RFC 5426: a datagram a message, of which receivers should take 2,048 bytes. RFC 6587 section 3.4.1 and RFC 5425: on
streams each message is preceded by its length ("octet counting"). Syslog has no answers: UDP tells nothing, and a
stream only that the connection held, so a delivery is sent but not confirmed.
"""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from routing.kinds import option
from routing.outbound import AddressRefused, OutboundError, dial_check
from routing.sinks import cef, document, places, wording
from routing.sinks.base import AlertFacts, Message, Outcome, Sender, Verdict
from routing.sinks.connection import check_certificates, opened
from routing.sinks.lengths import fitted, utf8

MOST_BYTES = {"udp": 2048, "tcp": 8192, "tls": 8192}
GOODBYE = 2.0
"""Seconds that a receiver has to close the connection after the last message."""
REFUSAL = 0.3
"""Seconds that a TLS receiver has to refuse us: in TLS 1.3 the handshake is over before it has looked at who we are."""
UNCONFIRMED = "Unconfirmed: syslog has no answer, so nobody says whether the message was kept"
_FACILITIES = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, **{f"local{n}": 16 + n for n in range(8)}}
_BOM = "\ufeff"


class Syslog(Sender):
    """Sends alerts to a syslog receiver or a SIEM."""

    kind = "syslog"
    label = "Syslog and CEF"
    sends_resolved = False

    @dataclass(frozen=True)
    class Config:
        host: str = option("The receiver.", label="Server", placeholder="siem.example.com", place=places.host)
        port: int = option(
            "Usually 514 for UDP and TCP, and 6514 for TLS.",
            label="Port",
            default=6514,
            least=1,
            most=65_535,
            place=places.port,
        )
        transport: str = option(
            "UDP loses messages without a word.", label="Transport", default="tls", choices=("tls", "tcp", "udp")
        )
        format: str = option("What a message holds.", label="Format", default="text", choices=("text", "json", "cef"))
        facility: str = option("Syslog's facility.", label="Facility", default="local0", choices=tuple(_FACILITIES))
        certificates: str = option(
            "Certificates (PEM) to trust in place of the system's.",
            label="Trusted certificates",
            default="",
            multiline=True,
        )

        def __post_init__(self) -> None:
            check_certificates(self.certificates)

    def send(self, message: Message) -> Outcome:
        lines = [self.line(message.event, alert) for alert in message.alerts]
        shown = "\n".join(lines)
        try:
            if self.config.transport == "udp":
                self._as_datagrams(lines)
            else:
                self._as_stream(lines)
        except AddressRefused as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), arrived=error.arrived, request=shown)
        return Outcome(Verdict.SENT, request=shown, response=UNCONFIRMED)

    def _as_datagrams(self, lines: list[str]) -> None:
        host, port = self.config.host, int(self.config.port)
        family, address = dial_check(host, port)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            datagrams.setblocking(False)
            try:
                datagrams.connect(address)
                for line in lines:
                    datagrams.send(encoded(line))
                # Where the host said that nobody listens, this says it.
                datagrams.recv(1)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                raise OutboundError(f"{host} says that nothing listens on its UDP port {port}") from None
            except OSError as error:
                raise OutboundError(f"{host} cannot be reached ({error.strerror})") from None

    def _as_stream(self, lines: list[str]) -> None:
        config = self.config
        frames = b"".join(b"%d %s" % (len(frame), frame) for frame in map(encoded, lines))
        tls = config.transport == "tls"
        with opened(config.host, int(config.port), tls=tls, certificates=config.certificates) as connection:
            try:
                connection.sendall(frames)
                _part(connection)
            except OSError:
                raise OutboundError(
                    f"{config.host} closed the connection or did not take the messages in time", arrived=True
                ) from None

    def line(self, event: str, alert: AlertFacts) -> str:
        """The alert as one syslog message, as short as the transport needs it."""
        priority = _FACILITIES[self.config.facility] * 8 + alert.priority
        host = "".join(letter for letter in alert.hostname if "!" <= letter <= "~")[:255] or "-"
        header = f"<{priority}>1 {alert.time.isoformat()} {host} sensorapp - {event} - "
        most = MOST_BYTES[self.config.transport] - utf8(header)
        if self.config.format == "cef":
            return header + cef.line(alert, most)
        if self.config.format == "json":
            return header + document.thinned(document.of_alert(alert), most).decode()
        link = f" {alert.url}"
        text = fitted(wording.one_line(f"{alert.rule}: {alert.output}"), most - utf8(link + _BOM), size=utf8) + link
        # RFC 5424 section 6.4: text in UTF-8 starts with a mark, which ASCII does not need and JSON must not have.
        return header + (text if text.isascii() else _BOM + text)


def encoded(line: str) -> bytes:
    """A message as it is sent."""
    return line.encode("utf-8", "replace")


def _part(connection: socket.socket) -> None:
    """Say that there is no more and wait for the receiver to close: one that did not want the messages says so now.

    Raises OSError.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(REFUSAL)
        with suppress(TimeoutError):
            # Raises where the receiver sent an alert, as one that wants a certificate of ours does.
            connection.recv(1)
        connection.settimeout(GOODBYE)
        # Many hang up without the goodbye that TLS asks for, or after what they had still to say.
        with suppress(TimeoutError, ssl.SSLError):
            connection.unwrap()
        return
    connection.settimeout(GOODBYE)
    connection.shutdown(socket.SHUT_WR)
    # One that keeps the connection open says nothing about the messages.
    with suppress(TimeoutError):
        while connection.recv(4096):
            continue
