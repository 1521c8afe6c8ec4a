"""E-mail against a real SMTP server."""

import email
import email.policy
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from django.db.models import Q

from routing import claims, deliveries
from routing.models import Receipt
from routing.sinks import email as email_sink
from routing.sinks.base import Message, Verdict
from routing.sinks.email import Email
from tests import build
from tests.routing.certificates import certificate
from tests.routing.sinks import samples


class Mailbox:
    """Keeps what arrives; answers what a test says."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answer = "250 kept"
        self.refused: dict[str, str] = {}
        self.sender = "250 yes"

    async def handle_RCPT(  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 yes"

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.sender

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            self.envelopes.append(envelope)
            mail = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    right = getattr(data, "password", b"") == b"right"
    return AuthResult(success=right, handled=False)


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    controller = Controller(
        mailbox, hostname="127.0.0.1", port=0, auth_require_tls=False, authenticator=authenticate, ready_timeout=10
    )
    # aiosmtpd asks for its own port to see whether it is up, which it cannot while the port is 0.
    with socket.create_server(("127.0.0.1", 0)) as probe:
        controller.port = probe.getsockname()[1]
    controller.start()
    yield controller.port
    controller.stop()


def sender(port: int, **options: object) -> Email:
    return Email({**samples.options("email", ""), "host": "127.0.0.1", "port": port, "username": "", **options})


def test_a_mail_arrives_as_text_and_html_with_its_links(port: int, mailbox: Mailbox) -> None:
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.error) == (Verdict.SENT, "")
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Warning: Read sensitive file on node-7 (and 1 more)"
    assert mailbox.envelopes[0].rcpt_tos == ["security@sensor.example", "night@sensor.example"]
    text = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        assert "https://sensor.example/groups/9/#acknowledge" in part
        assert "cat /etc/shadow" in part
        assert "sshd → bash → cat (4242)" in part


def test_the_text_is_the_one_in_the_fixture(port: int, mailbox: Mailbox) -> None:
    sender(port).deliver(samples.message())
    text = mailbox.mails[0].get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == "\n".join(samples.golden("email", "firing"))


def test_a_repeat_has_the_same_id_and_a_group_is_one_thread(port: int, mailbox: Mailbox) -> None:
    for event in ("firing", "firing", "resolved"):
        sender(port).deliver(samples.message(event))
    assert {mail["Message-ID"] for mail in mailbox.mails} == {f"<{samples.DELIVERY}@sensor.example>"}
    assert len({mail["References"] for mail in mailbox.mails}) == 1
    assert {mail["Auto-Submitted"] for mail in mailbox.mails} == {"auto-generated"}


def test_markup_and_line_breaks_in_an_alert_stay_text(port: int, mailbox: Mailbox) -> None:
    assert sender(port).deliver(samples.enormous()).verdict is Verdict.SENT
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= 200
    html = mail.get_body(("html",))
    assert html is not None
    assert "<!everyone>" not in html.get_content()
    assert "And 3980 more" in html.get_content()


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("451 later", Verdict.RETRY),
        ("554 spam", Verdict.FAILED),
        ("552 too big", Verdict.FAILED),
        ("530 5.7.0 Authentication required", Verdict.CREDENTIALS),
        ("554 5.2.252 SendAsDenied; this user may not send as alerts@", Verdict.CREDENTIALS),
    ],
)
def test_an_answer_of_the_server_is_judged(port: int, mailbox: Mailbox, answer: str, verdict: Verdict) -> None:
    mailbox.answer = answer
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.status) == (verdict, int(answer[:3]))


def test_one_refused_address_is_named_and_the_others_get_it(port: int, mailbox: Mailbox) -> None:
    mailbox.refused = {"night@sensor.example": "550 unknown"}
    outcome = sender(port).deliver(samples.message())
    assert outcome.verdict is Verdict.SENT
    assert "night@sensor.example" in outcome.error
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("530 5.7.0 Authentication required", Verdict.CREDENTIALS),
        ("553 5.7.1 not your address", Verdict.CREDENTIALS),
        ("552 too big", Verdict.FAILED),
        ("451 later", Verdict.RETRY),
    ],
)
def test_a_refused_sender_is_the_sinks_trouble(port: int, mailbox: Mailbox, answer: str, verdict: Verdict) -> None:
    mailbox.sender = answer
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.status) == (verdict, int(answer[:3]))


BOTH = ("security@sensor.example", "night@sensor.example")
GREY = {"night@sensor.example": "451 greylisted"}


def test_an_address_that_is_refused_for_now_gets_its_mail_later_and_the_others_none_again(
    port: int, mailbox: Mailbox
) -> None:
    mailbox.refused = {**GREY, "security@sensor.example": "550 unknown"}
    three = {"recipients": f"day@sensor.example, {BOTH[0]}, {BOTH[1]}"}
    first = sender(port, **three).deliver(samples.message())
    assert (first.verdict, first.arrived) == (Verdict.RETRY, False)
    assert first.receipt == {"delivery": str(samples.DELIVERY), "tries": "2", "night@sensor.example": "later"}
    again = sender(port, **three).deliver(samples.message(receipt=first.receipt))
    assert again.receipt == {**first.receipt, "tries": "3"}
    mailbox.refused = {}
    last = sender(port, **three).deliver(samples.message(receipt=again.receipt))
    assert (last.verdict, last.error, last.receipt) == (Verdict.SENT, "", {})
    assert [envelope.rcpt_tos for envelope in mailbox.envelopes] == [["day@sensor.example"], ["night@sensor.example"]]
    assert {str(mail["To"]) for mail in mailbox.mails} == {three["recipients"]}


@pytest.mark.django_db
def test_who_was_refused_for_now_is_remembered_between_the_tries_of_a_delivery(port: int, mailbox: Mailbox) -> None:
    mailbox.refused = dict(GREY)
    options = {**vars(sender(port).config)}
    secrets = {"password": str(options.pop("password"))}
    sink, route = build.sink("email", config=options, secrets=secrets), build.route()
    delivery = build.owed(sink, group=build.group(route), route=route, alert_ids=[str(build.alert().pk)])
    for now in (build.NOW, build.NOW + timedelta(hours=1)):
        deliveries.try_all(claims.claim(Q(pk=delivery.pk), 1, now), now)
        mailbox.refused = {}
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    assert [envelope.rcpt_tos for envelope in mailbox.envelopes] == [[BOTH[0]], [BOTH[1]]]
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (samples.message(receipt={"delivery": str(samples.DELIVERY), "tries": "6", BOTH[1]: "later"}), "451 full"),
        (samples.message(receipt={"delivery": str(samples.DELIVERY), "tries": "2", BOTH[1]: "later"}), "550 gone"),
        (samples.message("test"), "451 greylisted"),
        (samples.message(other_groups=3), "451 greylisted"),
    ],
)
def test_what_others_took_is_sent_in_the_end(port: int, mailbox: Mailbox, message: Message, answer: str) -> None:
    mailbox.refused = {BOTH[1]: answer}
    outcome = sender(port).deliver(message)
    assert outcome.verdict is Verdict.SENT
    assert "refused night@sensor.example" in outcome.error
    assert outcome.receipt == ({} if message.receipt else None)


def test_what_another_delivery_left_is_not_this_ones(port: int, mailbox: Mailbox) -> None:
    outcome = sender(port).deliver(samples.message(receipt={"delivery": "other", "tries": "2", BOTH[1]: "later"}))
    assert mailbox.envelopes[0].rcpt_tos == list(BOTH)
    assert outcome.receipt == {}


def test_nobody_is_mailed_again_where_the_address_that_was_refused_is_taken_out(port: int, mailbox: Mailbox) -> None:
    receipt = {"delivery": str(samples.DELIVERY), "tries": "2", "left@sensor.example": "later"}
    outcome = sender(port).deliver(samples.message(receipt=receipt))
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, {})
    assert "no longer among the addresses" in outcome.error
    assert not mailbox.mails


@pytest.mark.parametrize("receipt", [{}, {"delivery": str(samples.DELIVERY), "tries": "2", **dict.fromkeys(BOTH, "")}])
def test_a_server_that_hangs_up_while_it_is_told_the_addresses_took_nothing(
    port: int, mailbox: Mailbox, receipt: dict[str, str]
) -> None:
    mailbox.refused = {BOTH[0]: "421 closing"}
    outcome = sender(port).deliver(samples.message(receipt=receipt))
    assert (outcome.verdict, outcome.arrived, outcome.receipt) == (Verdict.RETRY, False, None)


def test_an_address_that_is_named_twice_gets_one_mail(port: int, mailbox: Mailbox) -> None:
    sender(port, recipients="a@sensor.example, a@sensor.example").deliver(samples.message())
    assert mailbox.envelopes[0].rcpt_tos == ["a@sensor.example"]


@pytest.mark.parametrize(("code", "verdict"), [("450", Verdict.RETRY), ("550", Verdict.CREDENTIALS)])
def test_all_addresses_refused_is_a_failure(port: int, mailbox: Mailbox, code: str, verdict: Verdict) -> None:
    mailbox.refused = dict.fromkeys(("security@sensor.example", "night@sensor.example"), f"{code} no")
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.status) == (verdict, int(code))


def test_a_wrong_password_is_a_matter_of_credentials(port: int) -> None:
    outcome = sender(port, username="alerts", password="wrong-password").deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "wrong-password" not in repr(outcome) + outcome.request + outcome.response


def test_the_right_password_lets_it_in(port: int, mailbox: Mailbox) -> None:
    assert sender(port, username="alerts", password="right").deliver(samples.message()).verdict is Verdict.SENT


def test_a_mail_is_never_sent_in_the_open_where_starttls_is_asked_for(port: int, mailbox: Mailbox) -> None:
    outcome = sender(port, security="starttls").deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "STARTTLS" in outcome.error
    assert not mailbox.mails


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS for `localhost`, which this process trusts."""
    chain, key = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@contextmanager
def encrypted(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="localhost", port=port, ready_timeout=10, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_starttls_is_used_and_its_certificate_checked(mailbox: Mailbox, trusted: ssl.SSLContext) -> None:
    with encrypted(mailbox, tls_context=trusted, require_starttls=True) as port:
        assert sender(port, host="localhost", security="starttls").deliver(samples.message()).verdict is Verdict.SENT
        stranger = sender(port, host="127.0.0.1", security="starttls").deliver(samples.message())
    assert stranger.verdict is Verdict.RETRY
    assert "certificate" in stranger.error
    assert len(mailbox.mails) == 1


def test_tls_from_the_first_byte_is_used_and_its_certificate_checked(mailbox: Mailbox, trusted: ssl.SSLContext) -> None:
    with encrypted(mailbox, ssl_context=trusted) as port:
        assert sender(port, host="localhost", security="tls").deliver(samples.message()).verdict is Verdict.SENT
        stranger = sender(port, host="127.0.0.1", security="tls").deliver(samples.message())
    assert stranger.verdict is Verdict.RETRY
    assert "certificate" in stranger.error


def test_a_server_that_is_down_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = sender(port).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)


def test_a_server_that_goes_away_in_the_middle_may_have_got_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet_and_go() -> None:
            connection, _ = server.accept()
            connection.sendall(b"220 hello\r\n")
            connection.recv(100)
            connection.sendall(b"250 yes\r\n")
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=greet_and_go)
        thread.start()
        outcome = sender(server.getsockname()[1]).deliver(samples.message())
        thread.join()
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)


def test_a_server_that_says_nothing_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_sink, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert sender(server.getsockname()[1]).deliver(samples.message()).verdict is Verdict.RETRY


def test_a_private_address_is_refused(settings: object) -> None:
    settings.OUTBOUND_ALLOW = []  # type: ignore[attr-defined]
    outcome = sender(25).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error


# A record of the handshake that promises 16,383 bytes.
@pytest.mark.parametrize(("security", "begins"), [("none", b""), ("tls", b"\x16\x03\x03\x3f\xff")])
def test_a_server_that_drips_its_answers_is_cut_off(
    security: str, begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_sink, "TOTAL", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(begins)
                while True:
                    connection.sendall(b"2")
                    time.sleep(0.01)

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        outcome = sender(server.getsockname()[1], security=security).deliver(samples.message())
        thread.join()
    assert outcome.verdict is Verdict.RETRY
    assert time.monotonic() - began < 5


def test_an_answer_without_a_code_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello\r\n")

        thread = threading.Thread(target=babble)
        thread.start()
        outcome = sender(server.getsockname()[1]).deliver(samples.message())
        thread.join()
    assert (outcome.verdict, outcome.status, outcome.arrived) == (Verdict.RETRY, None, False)


def test_an_odd_answer_to_the_goodbye_does_not_undo_the_mail(
    port: int, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(server: SMTP, session: Session, envelope: Envelope) -> str:
        return "500 what?"

    monkeypatch.setattr(mailbox, "handle_QUIT", odd, raising=False)
    assert sender(port).deliver(samples.message()).verdict is Verdict.SENT


@pytest.mark.parametrize("address", [" , ", "nobody", "a@b@c", "a\r\nBcc: x@y.z", "@example.com"])
def test_an_address_that_is_none_is_said_to_be(address: str) -> None:
    with pytest.raises(ValueError, match="An address of this sink cannot be used"):
        sender(25, recipients=address)
    with pytest.raises(ValueError, match="An address of this sink cannot be used"):
        sender(25, sender=address)


def test_a_mail_in_a_sinks_own_words_is_html_and_what_is_left_of_it_as_text() -> None:
    sender = Email({"host": "127.0.0.1", "sender": "a@b.example", "recipients": "c@d.example"})
    message = replace(samples.message("firing"), title="Own <title>", body="<p>Own &amp; <b>bold</b></p>")
    mail = sender.mail(message)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail["Subject"] == "Own <title>"
    assert text
    assert text.get_content().strip() == "Own & bold"
    assert html
    assert html.get_content().strip() == "<p>Own &amp; <b>bold</b></p>"
