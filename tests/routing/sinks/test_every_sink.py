"""What every kind of sink promises, found by scan: a new file in routing/sinks is tested by being there."""

import dataclasses
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.http import http_date
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from routing import deliveries, outbound, sinks
from routing.forms import form_for
from routing.kinds import is_secret, schema
from routing.sinks.base import Sender, Verdict
from routing.sinks.http import HttpSender
from tests import build
from tests.contract.golden import documents, told
from tests.routing.certificates import certificate
from tests.routing.sinks import samples

KINDS = sorted(sinks.kinds())
OVER_HTTP = [kind for kind in KINDS if issubclass(sinks.kinds()[kind], HttpSender)]
DOCS = Path(__file__).parents[3] / "docs" / "sinks.md"
EVERYTHING = re.compile(".*")


def sender(kind: str, server: str) -> Sender:
    return sinks.sender_for(kind, samples.options(kind, server))


@pytest.fixture
def address(httpserver: HTTPServer) -> str:
    return httpserver.url_for("").rstrip("/")


def success(kind: str) -> bytes:
    """What the kind's receiver says in the body when it took the message; nothing for those that only have a status."""
    said = samples.golden(kind, "answer")
    return json.dumps(said).encode() if said else b""


def answer(httpserver: HTTPServer, status: int, body: bytes = b"", **headers: str) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_data(body, status, headers=headers)


STATUSES = [
    (200, Verdict.SENT),
    (202, Verdict.SENT),
    (204, Verdict.SENT),
    (301, Verdict.CREDENTIALS),
    (307, Verdict.CREDENTIALS),
    (400, Verdict.FAILED),
    (401, Verdict.CREDENTIALS),
    (403, Verdict.CREDENTIALS),
    (404, Verdict.GONE),
    (405, Verdict.CREDENTIALS),
    (408, Verdict.RETRY),
    (410, Verdict.GONE),
    (413, Verdict.FAILED),
    (422, Verdict.FAILED),
    (425, Verdict.RETRY),
    (429, Verdict.RETRY),
    (500, Verdict.RETRY),
    (502, Verdict.RETRY),
    (503, Verdict.RETRY),
    (504, Verdict.RETRY),
]


@pytest.mark.parametrize(
    ("kind", "status", "verdict"),
    [
        (kind, status, verdict)
        for kind in OVER_HTTP
        for status, verdict in STATUSES
        # A 204 has no body in which success could be told.
        if not (status == 204 and success(kind))
    ],
)
def test_a_status_means_the_same_to_every_sink(
    kind: str, status: int, verdict: Verdict, httpserver: HTTPServer, address: str
) -> None:
    answer(httpserver, status, success(kind) if status < 300 else b"", Location="/elsewhere")
    outcome = sender(kind, address).deliver(samples.message())
    assert (outcome.verdict, outcome.status) == (verdict, status)
    assert bool(outcome.error) == (verdict is not Verdict.SENT)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("1e9", 86400.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Mon, 99999999999999999999 Jan 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_understood(
    kind: str, header: str, seconds: float | None, httpserver: HTTPServer, address: str
) -> None:
    answer(httpserver, 429, **({"Retry-After": header} if header else {}))
    assert sender(kind, address).deliver(samples.message()).retry_after == seconds


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize(("ahead", "least", "most"), [(120, 110, 120), (10**6, 86_400, 86_400)])
def test_a_date_in_retry_after_is_waited_for(
    kind: str, ahead: int, least: float, most: float, httpserver: HTTPServer, address: str
) -> None:
    answer(httpserver, 429, **{"Retry-After": http_date(timezone.now().timestamp() + ahead)})
    waits = sender(kind, address).deliver(samples.message()).retry_after
    assert waits is not None
    assert least <= waits <= most


@pytest.mark.parametrize("kind", [kind for kind in OVER_HTTP if sinks.kinds()[kind].digests])
def test_a_digest_says_that_it_is_one(kind: str, httpserver: HTTPServer, address: str) -> None:
    answer(httpserver, 200, success(kind))
    sender(kind, address).deliver(samples.message(alert_count=38, other_groups=12))
    body = json.dumps(documents(httpserver.log[0][0]))
    assert "37 more of this rule, from 12 other groups" in body or '"other_groups": 12' in body


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_private_address_is_refused(kind: str, httpserver: HTTPServer, address: str, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = []
    outcome = sender(kind, address).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "OUTBOUND_ALLOW" in outcome.error
    assert not httpserver.log


@pytest.fixture
def silent() -> Iterator[str]:
    """A receiver that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_receiver_that_does_not_answer_is_tried_again(
    kind: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "READ_SECONDS", 0.1)
    outcome = sender(kind, silent).deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)
    assert "did not answer in time" in outcome.error


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_connection_that_breaks_is_tried_again(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def break_one() -> None:
            connection, _ = server.accept()
            connection.recv(1)
            # Closed with bytes unread: the peer gets a reset.
            connection.close()

        thread = threading.Thread(target=break_one)
        thread.start()
        outcome = sender(kind, f"http://127.0.0.1:{server.getsockname()[1]}").deliver(samples.message())
        thread.join()
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, True)


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_receiver_that_is_down_is_tried_again_and_got_nothing(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = sender(kind, f"http://127.0.0.1:{port}").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "refuses connections" in outcome.error


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HTTPServer]:
    """A receiver at localhost whose certificate nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path_factory.mktemp("tls"), "localhost"))
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        yield server


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_certificate_that_is_not_trusted_is_said_and_nothing_is_sent(kind: str, encrypted: HTTPServer) -> None:
    outcome = sender(kind, f"https://localhost:{encrypted.port}").deliver(samples.message())
    assert (outcome.verdict, outcome.arrived) == (Verdict.RETRY, False)
    assert "certificate of localhost is not trusted" in outcome.error
    assert not encrypted.log


def telling(options: Any, address: str) -> set[str]:
    """The parts of a kind's secret options by which they would be recognised."""
    values = [str(getattr(options, field.name)) for field in dataclasses.fields(options) if is_secret(field)]
    parts = {part for value in values for part in (value, *re.split(r"[/\s]+", value.removeprefix(address)))}
    return {part for part in parts if len(part) > 12 and part != "Authorization:"}  # Shorter ones are words: hooks.


def echo(request: Request, status: int = 200) -> Response:
    return Response(f"{request.url} {request.headers} {request.get_data(as_text=True)}", status)


@pytest.mark.parametrize("kind", OVER_HTTP)
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_no_secret_shows_even_where_the_receiver_echoes_it(
    kind: str, status: int, httpserver: HTTPServer, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_handler(lambda request: echo(request, status))
    tried = sender(kind, address)
    with caplog.at_level(logging.DEBUG):
        outcome = tried.deliver(samples.message())
    # The receiver in the test logs its requests; that is not ours to mask.
    logged = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    shown = "\n".join([outcome.error, outcome.request, outcome.response, repr(outcome), repr(tried.config), *logged])
    assert telling(tried.config, address)
    assert [part for part in telling(tried.config, address) if part in shown] == []


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_shows_on_any_page(
    kind: str, as_user: Any, alice: User, httpserver: HTTPServer, address: str
) -> None:
    httpserver.expect_request(EVERYTHING).respond_with_handler(echo)
    # Others than HTTP find nobody there.
    server = address if kind in OVER_HTTP else "127.0.0.1:1"
    options = samples.options(kind, server)
    hidden = {field.name for field in dataclasses.fields(sinks.kinds()[kind].Config) if is_secret(field)}
    plain = {name: value for name, value in options.items() if name not in hidden}
    sink = build.sink(kind, config=plain, secrets={name: options[name] for name in hidden & set(options)})
    attempt = deliveries.test(sink, alice, timezone.now(), None)
    client = as_user(alice)
    pages = [f"/sinks/{path}" for path in ("", f"{sink.pk}/", f"{sink.pk}/edit/")]
    pages += ["/deliveries/", f"/deliveries/{attempt.delivery_id}/", "/audit/", "/admin/routing/sink/"]
    pages += [f"/admin/routing/{row._meta.model_name}/{row.pk}/change/" for row in (sink, attempt, attempt.delivery)]
    for page in pages:
        answered = client.get(page)
        assert answered.status_code == 200
        shown = answered.content.decode()
        assert [part for part in telling(sender(kind, server).config, server) if part in shown] == [], page


@pytest.mark.parametrize("kind", OVER_HTTP)
def test_a_message_beyond_every_limit_is_cut_and_sent(kind: str, httpserver: HTTPServer, address: str) -> None:
    answer(httpserver, 200, success(kind))
    assert sender(kind, address).deliver(samples.enormous()).verdict is Verdict.SENT
    request = httpserver.log[0][0]
    assert documents(request)
    assert len(request.get_data()) <= 512_000


@pytest.mark.parametrize(
    ("kind", "event"),
    [(kind, event) for kind in OVER_HTTP for event in samples.EVENTS if told(sinks.kinds()[kind], event)],
)
def test_the_payload_is_the_one_in_the_fixture(kind: str, event: str, httpserver: HTTPServer, address: str) -> None:
    answer(httpserver, 200, success(kind))
    sender(kind, address).deliver(samples.message(event))
    assert documents(httpserver.log[0][0]) == samples.golden(kind, event)


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_go_through_the_form_and_come_back(kind: str) -> None:
    options = samples.options(kind, "https://receiver.example" if kind in OVER_HTTP else "receiver.example")
    found = sinks.kinds()[kind]
    form = form_for(found.Config)({f"option-{name}": value for name, value in options.items()})
    assert form.is_valid(), form.errors
    stored = {**form.plain(), **form.secrets()}
    again, given = found(stored).config, found(options).config
    for field in dataclasses.fields(given):
        if field.name in options:
            assert getattr(again, field.name) == getattr(given, field.name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_of_the_options_describes_them(kind: str) -> None:
    options = samples.options(kind, "https://receiver.example")
    described = schema(sinks.kinds()[kind].Config)
    properties = described["properties"]
    assert set(described["required"]) <= set(options) <= set(properties)
    types = {"string": str, "integer": int, "boolean": bool, "number": float}
    for name, value in options.items():
        assert type(value) is types[properties[name]["type"]]
        assert value in properties[name].get("enum", [value])
    json.dumps(described)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_with_secrets_says_where_they_go(kind: str) -> None:
    options = dataclasses.fields(sinks.kinds()[kind].Config)
    assert any(map(is_secret, options)) <= any(field.metadata["place"] for field in options)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_documented(kind: str) -> None:
    assert f"\n## {sinks.kinds()[kind].label}\n" in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_says_what_it_is_for(kind: str) -> None:
    for field in dataclasses.fields(sinks.kinds()[kind].Config):
        assert field.metadata["help"]
        assert field.metadata["label"]


WORDED = dataclasses.replace(
    samples.message("firing"), title="Own <title> & more", body="Own <body> & more " + "é" * 9_000
)


@pytest.mark.parametrize("kind", [name for name in OVER_HTTP if sinks.kinds()[name].takes.title])
def test_a_title_in_a_sinks_own_words_is_sent(kind: str, address: str, httpserver: HTTPServer) -> None:
    answer(httpserver, 200, success(kind))
    sender(kind, address).deliver(WORDED)
    assert "Own " in json.dumps(documents(httpserver.log[0][0]))


@pytest.mark.parametrize(
    "kind", [name for name in KINDS if sinks.kinds()[name].takes.body and sinks.kinds()[name].takes.format == "text"]
)
def test_a_body_in_a_sinks_own_words_is_cut_to_its_limit(kind: str, address: str, httpserver: HTTPServer) -> None:
    answer(httpserver, 200, success(kind))
    sender(kind, address).deliver(WORDED)
    most = sinks.kinds()[kind].takes.body
    sent = json.dumps(documents(httpserver.log[0][0]), ensure_ascii=False)
    assert "body" in sent
    assert most - 200 < sent.count("é") <= most
