"""E-mail over SMTP: text and HTML, one Message-ID for each delivery, one thread for each group.

RFC 8314 prefers TLS from the first byte (port 465); STARTTLS (587) is as good where the server insists on it, which
this sink does. RFC 5321 section 4.2.1: 4xx answers pass, 5xx ones stay. Each recipient has an answer of its own: a
greylisting server says "later" about one and takes the mail for another (RFC 6647).
"""

import hashlib
import html
import re
import smtplib
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.utils import format_datetime

from django.template.loader import render_to_string
from django.utils.html import strip_tags

from routing.deadlines import Deadline
from routing.kinds import Secret, option
from routing.outbound import AddressRefused, OutboundError, dial
from routing.sinks import places, recipients, wording
from routing.sinks.base import Message, Outcome, Pace, Sender, Templated, Verdict

TIMEOUT = 10.0
"""Seconds for connecting and for each answer."""
TOTAL = 40.0
"""Seconds for everything after connecting: a server that drips its answers never hits the other limit, and a claim on
a delivery ends after a minute."""
MOST_SHOWN = 20
"""Alerts in one mail; it says how many more there are."""
MOST_OUTPUT = 4000
# Of a mail that was begun: RFC 4954, section 6, whose codes say that we must sign in (530, 534, 535, 538), and
# Exchange Online, which sees only then that the sender is not the user's.
_TO_MEND = re.compile(r"53[0458] |.*(?:SendAsDenied|5\.7\.60)", re.DOTALL)


class _Connection(smtplib.SMTP):
    """An SMTP connection whose socket goes through the address check, and is cut after `TOTAL` seconds."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._deadline: Deadline | None = None
        super().__init__(host, port, timeout=TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = dial(host, port, timeout)
        self._deadline = Deadline(TOTAL)
        self._deadline.watch(connection)
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_hostname=host)
            except (OSError, ValueError):
                self._deadline.close()
                connection.close()
                raise
        return connection

    def close(self) -> None:
        if self._deadline is not None:
            self._deadline.close()
        super().close()


class Email(Sender):
    """Mails a message to some addresses."""

    kind = "email"
    label = "E-mail"
    takes = Templated(title=200, body=128 * 1024, format="html")
    # Exchange Online takes thirty in any minute; a mailbox with more is not read either.
    pace = Pace(25, burst=5)
    digests = True
    keeps_receipts = True

    @dataclass(frozen=True)
    class Config:
        host: str = option("The mail server.", label="Server", placeholder="smtp.example.com", place=places.host)
        sender: str = option("The address it comes from.", label="From", placeholder="alerts@example.com")
        recipients: str = option(
            "Addresses it goes to, with commas between them.", label="To", placeholder="security@example.com"
        )
        port: int = option(
            "Usually 465 for TLS and 587 for STARTTLS.",
            label="Port",
            default=587,
            least=1,
            most=65_535,
            place=places.port,
        )
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

        def __post_init__(self) -> None:
            try:
                recipients.address(self.sender)
                recipients.listed(self.recipients)
            except ValueError as error:
                raise ValueError(f"An address of this sink cannot be used: {error}") from None

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def send(self, message: Message) -> Outcome:
        addressed = recipients.waiting(message, self.config.recipients)
        if not addressed:
            return Outcome(Verdict.SENT, "Who was refused for now is no longer among the addresses", receipt={})
        outcome = self._mailed(message, addressed)
        if outcome.verdict is Verdict.SENT and message.receipt:
            return replace(outcome, receipt={})
        return outcome

    def _mailed(self, message: Message, addressed: list[str]) -> Outcome:
        """Try once, to some of the recipients."""
        mail = self.mail(message)
        shown = f"From: {mail['From']}\nTo: {mail['To']}\nSubject: {mail['Subject']}"
        posted = False
        try:
            with closing(self._connected()) as server:
                posted = True
                refused = server.send_message(mail, to_addrs=addressed)
                with suppress(OSError):  # The mail is theirs by now, whatever they say at the end.
                    server.quit()
        except AddressRefused as error:
            return Outcome(Verdict.CREDENTIALS, str(error), request=shown)
        except OutboundError as error:
            return Outcome(Verdict.RETRY, str(error), request=shown)
        except smtplib.SMTPRecipientsRefused as error:
            # A server that ends the conversation in the middle (421) has not answered about everybody.
            if len(error.recipients) == len(addressed) and recipients.refused_before(message):
                return recipients.some(message, error.recipients, shown)
            return recipients.nobody(error.recipients, shown)
        except smtplib.SMTPAuthenticationError as error:
            text = "The mail server refuses the user name or password"
            said = recipients.text_of(error.smtp_error)
            return Outcome(Verdict.CREDENTIALS, text, recipients.status(error.smtp_code), request=shown, response=said)
        except smtplib.SMTPResponseException as error:
            text = f"The mail server does not take the message ({error.smtp_code})"
            return Outcome(
                _of_mail(error),
                text,
                recipients.status(error.smtp_code),
                # An answer that was cut off in the middle says nothing.
                arrived=posted and not 400 <= error.smtp_code < 600,
                request=shown,
                response=recipients.text_of(error.smtp_error),
            )
        except smtplib.SMTPNotSupportedError:
            text = "The mail server does not offer what this sink asks for (STARTTLS, or signing in)"
            return Outcome(Verdict.CREDENTIALS, text, request=shown)
        except ssl.SSLError:
            text = f"The certificate of {self.config.host} is not trusted, or it does not speak TLS on this port"
            return Outcome(Verdict.RETRY, text, request=shown)
        except (OSError, smtplib.SMTPException):
            text = f"{self.config.host} closed the connection or did not answer in time"
            return Outcome(Verdict.RETRY, text, request=shown, arrived=posted)
        return recipients.some(message, refused, shown) if refused else Outcome(Verdict.SENT, request=shown)

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
        """The mail, which names everybody that it goes to."""
        mail = EmailMessage()
        sender = recipients.address(self.config.sender)
        mail["From"] = sender
        mail["To"] = recipients.listed(self.config.recipients)
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


def _of_mail(error: smtplib.SMTPResponseException) -> Verdict:
    """What a refusal means that is not about single recipients."""
    code = error.smtp_code
    if not 500 <= code < 600:
        return Verdict.RETRY
    if isinstance(error, smtplib.SMTPDataError):
        to_mend = _TO_MEND.match(f"{code} {recipients.text_of(error.smtp_error)}")
        return Verdict.CREDENTIALS if to_mend else Verdict.FAILED
    # Before the mail itself was said, all but its size is about us, or about the sender's address.
    return Verdict.FAILED if code == 552 else Verdict.CREDENTIALS
