"""What a request looks like and what an answer means, over a real socket."""

import gzip
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from sensor.config import ConfigError, Secret, Server
from sensor.transport import LONGEST_BACKOFF, Client, Unreachable, Verdict, backoff, retry_after, verdict

TOKEN = "sa_hunter2hunter2"


@pytest.fixture
def client(httpserver: HTTPServer):
    opened = Client(Server(url=httpserver.url_for("/"), token=Secret(TOKEN)))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (301, Verdict.MISCONFIGURED),
        (400, Verdict.REFUSED),
        (401, Verdict.MISCONFIGURED),
        (403, Verdict.MISCONFIGURED),
        (404, Verdict.MISCONFIGURED),
        (408, Verdict.LATER),
        (413, Verdict.SPLIT),
        (422, Verdict.REFUSED),
        (429, Verdict.LATER),
        (500, Verdict.LATER),
        (503, Verdict.LATER),
    ],
)
def test_a_status_has_one_meaning(status: int, meaning: Verdict) -> None:
    assert verdict(status) is meaning


def test_backoff_grows_to_a_minute_and_is_spread_over_all_of_it() -> None:
    assert [backoff(tries, 0.5) for tries in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backoff(1000, 0.999) <= LONGEST_BACKOFF
    assert backoff(5, 0.0) == 0.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("999999", 3600.0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 1795435200.0) == seconds


def test_alerts_are_posted_as_one_compressed_array_with_the_token(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/v1/alerts", method="POST").respond_with_json({"accepted": 2}, status=202)
    answer = client.post_alerts([b'{"rule":"a"}', b'{"rule":"b"}'])
    request, _ = httpserver.log[0]
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(request.data)) == [{"rule": "a"}, {"rule": "b"}]
    assert (answer.verdict, answer.body) == (Verdict.ACCEPTED, {"accepted": 2})


def test_a_redirect_is_not_followed_with_the_token(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/v1/alerts").respond_with_response(
        Response(status=307, headers={"Location": httpserver.url_for("/elsewhere")})
    )
    assert client.post_alerts([b"{}"]).verdict is Verdict.MISCONFIGURED
    assert [request.path for request, _ in httpserver.log] == ["/api/v1/alerts"]


def test_the_environment_cannot_send_the_token_to_a_proxy(
    httpserver: HTTPServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    httpserver.expect_request("/api/v1/sensors/hello").respond_with_json({})
    assert client.hello({}).status == 200


def test_an_answer_says_how_long_to_wait_and_what_is_wrong(httpserver: HTTPServer, client: Client) -> None:
    httpserver.expect_request("/api/v1/ruleset").respond_with_json(
        {"title": "Too many", "detail": "the queue is full"}, status=429, headers={"Retry-After": "3"}
    )
    answer = client.ruleset(4)
    assert answer.retry_after == 3.0
    assert answer.told == "429 the queue is full"
    assert httpserver.log[0][0].query_string == b"have=4"


def test_a_changed_token_file_is_read_after_a_refusal(httpserver: HTTPServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("sa_old")
    client = Client(Server(url=httpserver.url_for("/"), token_file=str(file)))

    def only_new(request: Request) -> Response:
        return Response(status=200 if request.headers["Authorization"] == "Bearer sa_new" else 401)

    httpserver.expect_request("/api/v1/sensors/hello").respond_with_handler(only_new)
    file.write_text("sa_new")
    assert client.hello({}).status == 401
    assert client.hello({}).status == 200
    file.unlink()
    assert client.hello({}).status == 200
    client.close()


def test_nobody_answering_is_unreachable_and_names_no_token() -> None:
    client = Client(Server(url="http://127.0.0.1:1", token=Secret(TOKEN)))
    with structlog.testing.capture_logs() as logs, pytest.raises(Unreachable) as failure:
        client.hello({})
    assert "Connection refused" in str(failure.value)
    assert TOKEN not in str(failure.value) + repr(client) + str(logs)


def test_a_missing_ca_file_is_said_at_start() -> None:
    with pytest.raises(ConfigError, match=r"server\.ca_file /nonexistent"):
        Client(Server(url="https://127.0.0.1", token=Secret(TOKEN), ca_file="/nonexistent"))


class _Yes(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory):
    """An HTTPS server on 127.0.0.1 with a certificate of its own; gives (url, certificate file)."""
    from tests.sensor.certificate import self_signed

    certificate, key = self_signed(tmp_path_factory.mktemp("tls"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Yes)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_certificate_is_trusted_only_through_the_ca_file(tls: tuple[str, Path]) -> None:
    url, certificate = tls
    trusting = Client(Server(url=url, token=Secret(TOKEN), ca_file=str(certificate)))
    assert trusting.hello({}).status == 200
    trusting.close()
    doubting = Client(Server(url=url, token=Secret(TOKEN)))
    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        doubting.hello({})
    doubting.close()
