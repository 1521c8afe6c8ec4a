"""E-mail over SMTP: text and HTML, one Message-ID for each delivery, one thread for each group.

RFC 8314 prefers TLS from the first byte (port 465); STARTTLS (587) is as good where the server insists on it, which
this sink does. RFC 5321 section 4.2.1: 4xx answers pass, 5xx ones stay.
"""

import hashlib
import html
import smtplib
import socket
import ssl
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from django.template.loader import render_to_string
from django.utils.html import strip_tags

from routing.kinds import Secret, option
from routing.outbound import AddressRefused, OutboundError, dial, hang_up
from routing.sinks import wording
from routing.sinks.base import Message, Outcome, Pace, Sender, Templated, Verdict

TIMEOUT = 10.0
"""Seconds for connecting and for each answer."""
TOTAL = 40.0
"""Seconds for everything after connecting: a server that drips its answers never hits the other limit, and a claim on
a delivery ends after a minute."""
MOST_SHOWN = 20
"""Alerts in one mail; it says how many more there are."""
MOST_OUTPUT = 4000


class _Connection(smtplib.SMTP):
    """An SMTP connection whose socket goes through the address check, and is cut after `TOTAL` seconds."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._watch = threading.Timer(TOTAL, lambda: hang_up(self.sock))
        self._watch.daemon = True
        super().__init__(host, port, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = dial(host, port, timeout)
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_hostname=host)
            except (OSError, ValueError):
                connection.close()
                raise
        self._watch.start()
        return connection

    def close(self) -> None:
        self._watch.cancel()
        super().close()


class Email(Sender):
    """Mails a message to some addresses."""

    kind = "email"
    label = "E-mail"
    takes = Templated(title=200, body=128 * 1024, format="html")
    # Exchange Online takes thirty in any minute; a mailbox with more is not read either.
    pace = Pace(25, burst=5)
    digests = True

    @dataclass(frozen=True)
    class Config:
        host: str = option("The mail server.", label="Server", placeholder="smtp.example.com")
        sender: str = option("The address it comes from.", label="From", placeholder="alerts@example.com")
        recipients: str = option(
            "Addresses it goes to, with commas between them.", label="To", placeholder="security@example.com"
        )
        port: int = option("Usually 465 for TLS and 587 for STARTTLS.", label="Port", default=587)
        security: str = option(
            "How the connection is encrypted.",
            label="Encryption",
            default="starttls",
            choices=("starttls", "tls", "none"),
        )
        username: str = option("Empty where the server asks for none.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Mail programs show the repeat.",
            label="Repeat when unsure",
            default=True,
        )

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def send(self, message: Message) -> Outcome:
        try:
            mail = self.mail(message)
        except ValueError as error:
            return Outcome(Verdict.FAILED, f"An address of this sink cannot be used: {error}")
        shown = f"From: {mail['From']}\nTo: {mail['To']}\nSubject: {mail['Subject']}"
        posted = False
        try:
            with closing(self._connected()) as server:
                posted = True
                refused = server.send_message(mail)
                with suppress(OSError):  # The mail is theirs by now, whatever they say at the end.
                    server.quit()
        except AddressRefused as error:
            return Outcome(Verdict.FAILED, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), request=shown)
        except smtplib.SMTPRecipientsRefused as error:
            return _all_refused(error, shown)
        except smtplib.SMTPAuthenticationError as error:
            text = "The mail server refuses the user name or password"
            said = _said(error.smtp_error)
            return Outcome(Verdict.CREDENTIALS, text, _status(error.smtp_code), request=shown, response=said)
        except smtplib.SMTPResponseException as error:
            text = f"The mail server does not take the message ({error.smtp_code})"
            return Outcome(
                _verdict(error.smtp_code),
                text,
                _status(error.smtp_code),
                # An answer that was cut off in the middle says nothing.
                arrived=posted and not 400 <= error.smtp_code < 600,
                request=shown,
                response=_said(error.smtp_error),
            )
        except smtplib.SMTPNotSupportedError:
            text = "The mail server does not offer what this sink asks for (STARTTLS, or signing in)"
            return Outcome(Verdict.FAILED, text, request=shown)
        except ssl.SSLError:
            text = f"The certificate of {self.config.host} is not trusted, or it does not speak TLS on this port"
            return Outcome(Verdict.RETRY, text, request=shown)
        except (OSError, smtplib.SMTPException):
            text = f"{self.config.host} closed the connection or did not answer in time"
            return Outcome(Verdict.RETRY, text, request=shown, arrived=posted)
        if refused:
            who = ", ".join(refused)
            return Outcome(Verdict.SENT, f"The mail server refused {who}, and took it for the others", request=shown)
        return Outcome(Verdict.SENT, request=shown)

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        config = self.config
        server = _Connection(config.host, int(config.port), context if config.security == "tls" else None)
        try:
            if config.security == "starttls":
                # Raises where the server does not offer it: a mail is never sent in the open by accident.
                server.starttls(context=context)
            if config.username:
                server.login(config.username, str(config.password))
        except BaseException:
            server.close()
            raise
        return server

    def mail(self, message: Message) -> EmailMessage:
        """The mail; raises ValueError for addresses that are none."""
        mail = EmailMessage()
        sender = _address(self.config.sender)
        mail["From"] = sender
        recipients = [_address(one) for one in self.config.recipients.split(",") if one.strip()]
        if not recipients:
            raise ValueError("there is nobody it goes to")
        mail["To"] = recipients
        mail["Subject"] = wording.cut(wording.headline(message), 200)
        mail["Date"] = format_datetime(message.created_at)
        mail["Message-ID"] = f"<{message.delivery}@{sender.domain}>"
        mail["References"] = f"<{hashlib.sha256(message.group.key.encode()).hexdigest()[:32]}@{sender.domain}>"
        # RFC 3834: nobody's holiday reply shall answer it.
        mail["Auto-Submitted"] = "auto-generated"
        if message.body:
            mail.set_content(html.unescape(strip_tags(message.body)))
            mail.add_alternative(message.body, subtype="html")
            return mail
        context = self._context(message)
        mail.set_content(render_to_string("messages/email.txt", context))
        mail.add_alternative(render_to_string("messages/email.html", context), subtype="html")
        return mail

    def _context(self, message: Message) -> dict[str, object]:
        shown = [
            {
                "alert": alert,
                "output": wording.cut(alert.output, MOST_OUTPUT),
                "facts": wording.facts(alert),
                "process": wording.process_tree(alert),
                "command": wording.cut(wording.command_line(alert), MOST_OUTPUT),
            }
            for alert in reversed(message.alerts[-MOST_SHOWN:])
        ]
        return {
            "message": message,
            "headline": wording.headline(message),
            "colour": wording.colour(message),
            "alerts": shown,
            "left_out": max(0, message.alert_count - len(shown)),
        }


def _address(text: str) -> Address:
    """`name@domain` as an address; raises ValueError for anything else."""
    try:
        address = Address(addr_spec=text.strip())
    except (ValueError, IndexError, HeaderParseError):
        raise ValueError(f"{text.strip()!r} is not an address") from None
    if not address.domain:
        raise ValueError(f"{text.strip()!r} has no domain")
    return address


def _verdict(code: int) -> Verdict:
    return Verdict.FAILED if 500 <= code < 600 else Verdict.RETRY


def _status(code: int) -> int | None:
    """None for an answer without a code, which smtplib numbers -1."""
    return code if code > 0 else None


def _all_refused(error: smtplib.SMTPRecipientsRefused, shown: str) -> Outcome:
    codes = [code for code, _ in error.recipients.values()]
    verdict = Verdict.FAILED if all(_verdict(code) is Verdict.FAILED for code in codes) else Verdict.RETRY
    said = "; ".join(f"{who}: {code} {_said(text)}" for who, (code, text) in error.recipients.items())
    return Outcome(verdict, "The mail server refuses every recipient", _status(codes[0]), request=shown, response=said)


def _said(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
