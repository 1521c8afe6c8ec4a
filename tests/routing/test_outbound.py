"""The way out: which addresses it takes, and what it makes of peers that misbehave."""

import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from routing import outbound
from routing.outbound import AddressRefused, OutboundError, dial, dial_check, may_connect, request
from tests.routing.certificates import certificate


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104  # refused here, bound nowhere
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:1:1:1:1:f5ff:fffe",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "fe80::1%eth0",
        "ff02::1",
    ],
)
def test_an_address_inside_is_refused(address: str, settings: object) -> None:
    settings.OUTBOUND_ALLOW = []  # type: ignore[attr-defined]
    assert not may_connect(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_taken(address: str, settings: object) -> None:
    settings.OUTBOUND_ALLOW = []  # type: ignore[attr-defined]
    assert may_connect(address)


def test_an_allowed_block_is_taken_however_its_address_is_written(settings: object) -> None:
    settings.OUTBOUND_ALLOW = ["10.20.0.0/16"]  # type: ignore[attr-defined]
    assert may_connect("10.20.0.9")
    assert may_connect("::ffff:10.20.0.9")
    assert not may_connect("10.21.0.9")


def test_a_name_with_one_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    settings.OUTBOUND_ALLOW = []  # type: ignore[attr-defined]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
        dial_check("two-faced.example", 443)


def test_a_name_that_changes_between_the_check_and_the_connection_changes_nothing(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    """DNS rebinding: the connection goes to the address that was checked, and the next one is checked anew."""
    settings.OUTBOUND_ALLOW = ["127.0.0.1/32"]  # type: ignore[attr-defined]
    httpserver.expect_request("/").respond_with_data("", headers={"Connection": "close"})
    looked_up: list[str] = []

    def two_faced(host: str, port: int, *_: object, **__: object) -> list[object]:
        # The second answer is an address inside that is not allowed.
        looked_up.append(host)
        address = "127.0.0.1" if len(looked_up) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", two_faced)
    url = f"http://rebinding.example:{httpserver.port}/"
    assert request("GET", url).status == 200
    assert looked_up == ["rebinding.example"]
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
        request("GET", url)
    assert (len(looked_up), len(httpserver.log)) == (2, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_inside(httpserver: HTTPServer, settings: object, status: int) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1/32"]  # type: ignore[attr-defined]
    headers = {"Location": f"http://127.0.0.2:{httpserver.port}/inside", "Refresh": "0; url=/inside"}
    httpserver.expect_request("/from").respond_with_data("", status, headers=headers)
    assert request("POST", httpserver.url_for("/from"), body=b"x").status == status
    assert [seen.path for seen, _ in httpserver.log] == ["/from"]
    # Somebody who enters the address that it led to is refused there, too.
    with pytest.raises(AddressRefused):
        request("POST", headers["Location"], body=b"x")


@pytest.mark.parametrize(
    "url", ["http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://[::ffff:7f00:1]/"]
)
def test_other_spellings_of_loopback_are_refused(url: str, settings: object) -> None:
    settings.OUTBOUND_ALLOW = []  # type: ignore[attr-defined]
    with pytest.raises(AddressRefused):
        request("GET", url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://example.com/", "https://", "nonsense", "http://[/"])
def test_what_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        request("GET", url)


def test_a_name_that_does_not_exist_is_said_to_be_unknown() -> None:
    with pytest.raises(OutboundError, match="cannot be resolved"):
        dial("no-such-host.invalid", 80)


def test_a_redirect_is_an_answer_and_is_not_followed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/from").respond_with_data("", 302, headers={"Location": httpserver.url_for("/to")})
    httpserver.expect_request("/to").respond_with_data("should not be seen")
    assert request("GET", httpserver.url_for("/from")).status == 302
    assert len(httpserver.log) == 1


def test_proxies_and_cookies_are_not_used(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    httpserver.expect_request("/").respond_with_data("", headers={"Set-Cookie": "who=you"})
    for _ in range(2):
        assert request("GET", httpserver.url_for("/")).status == 200
    assert all("Cookie" not in seen.headers for seen, _ in httpserver.log)


def test_the_name_stays_in_the_host_header(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("")
    request("POST", f"http://localhost:{httpserver.port}/", body=b"x")
    assert httpserver.log[0][0].headers["Host"] == f"localhost:{httpserver.port}"


def test_a_name_and_password_in_the_address_sign_in_and_are_not_in_the_path(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    request("POST", f"http://us%20er:p%40ss@127.0.0.1:{httpserver.port}/hook?a=b", body=b"x")
    seen = httpserver.log[0][0]
    assert (seen.authorization.username, seen.authorization.password) == ("us er", "p@ss")
    assert "p%40ss" not in seen.url


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was dialled."""
    calls: list[object] = []
    monkeypatch.setattr(outbound, "dial", lambda *at: calls.append(at) or dial(*at))
    return calls


@pytest.fixture
def keeping() -> Iterator[str]:
    """The URL of a server that keeps its connections."""

    class Kept(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size = 1_000_000 if self.path == "/long" else 2
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(b"x" * size)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Kept) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_connection_is_used_again_unless_its_answer_was_cut(keeping: str, dialled: list[object]) -> None:
    counts = []
    for path in ("/", "/", "/long", "/"):
        request("GET", keeping + path)
        counts.append(len(dialled))
    assert counts == [1, 1, 1, 2]


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    keeping: str, dialled: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path may have forgotten it: what is sent on it is heard by nobody, and no answer comes."""
    for most in (30.0, 30.0, 0.0):
        monkeypatch.setattr(outbound, "MOST_IDLE_SECONDS", most)
        request("GET", keeping)
    assert len(dialled) == 2


def test_a_long_answer_is_cut(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("x" * 1_000_000)
    assert len(request("GET", httpserver.url_for("/")).body) == outbound.MAX_ANSWER


def test_a_compressed_bomb_is_cut(httpserver: HTTPServer) -> None:
    import gzip

    bomb = gzip.compress(b"\0" * 50_000_000)

    def handle(_: Request) -> Response:
        return Response(bomb, headers={"Content-Encoding": "gzip"})

    httpserver.expect_request("/").respond_with_handler(handle)
    assert len(request("GET", httpserver.url_for("/")).body) <= outbound.MAX_ANSWER


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """`peer(behave)`: the URL of a server that takes one connection and behaves."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(behave: Callable[[socket.socket], None]) -> str:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                try:
                    behave(connection)
                except OSError:
                    return  # The client hung up, which is what is tested.

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/secret-path"

    yield start
    for thread in threads:
        thread.join()
    server.close()


Peer = Callable[[Callable[[socket.socket], None]], str]


def drip(connection: socket.socket, text: bytes) -> None:
    for byte in text:
        connection.send(bytes([byte]))
        time.sleep(0.02)


def test_headers_that_drip_in_end_at_the_deadline(peer: Peer) -> None:
    url = peer(lambda connection: drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500))
    began = time.monotonic()
    with pytest.raises(OutboundError, match="did not finish its answer in time") as raised:
        request("GET", url, total=0.3)
    assert time.monotonic() - began < 2
    assert raised.value.arrived


def test_a_body_that_drips_in_is_cut_at_the_deadline(peer: Peer) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"

    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        drip(connection, b"a" * 500)

    began = time.monotonic()
    answer = request("GET", peer(behave), total=0.3)
    assert time.monotonic() - began < 2
    assert answer.status == 200
    assert 0 < len(answer.body) < 500


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "dripped"),
    [(CHUNKED, b"0" * 500), (CHUNKED + b"1\r\na\r\n0\r\n", b"X-T: a\r\n" * 60)],
    ids=["size of a chunk", "trailers"],
)
def test_what_drips_in_between_is_cut_at_the_deadline(peer: Peer, head: bytes, dripped: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        drip(connection, dripped)

    began = time.monotonic()
    answer = request("GET", peer(behave), total=0.3)
    assert time.monotonic() - began < 2
    assert answer.status == 200


def test_a_kept_connection_has_the_deadline_of_each_exchange(peer: Peer, dialled: list[object]) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.recv(65536)
        drip(connection, b"HTTP/1.1 200 OK\r\nX: " + b"a" * 500)

    url = peer(behave)
    request("GET", url)
    began = time.monotonic()
    with pytest.raises(OutboundError, match="did not finish its answer in time"):
        request("GET", url, total=0.3)
    assert time.monotonic() - began < 2
    assert len(dialled) == 1


def test_tls_that_drips_in_ends_at_the_deadline(peer: Peer) -> None:
    # A record of the handshake that promises 500 bytes.
    url = peer(lambda connection: drip(connection, b"\x16\x03\x03\x01\xf4" + b"\x02" * 500))
    began = time.monotonic()
    with pytest.raises(OutboundError, match="in time") as raised:
        request("GET", url.replace("http:", "https:"), total=0.3)
    assert time.monotonic() - began < 2
    assert not raised.value.arrived


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of this machine that does not answer, for its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            with suppress(BlockingIOError):
                caller.connect(server.getsockname())
        yield server.getsockname()[1]


def named(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Every name stands for these places of this machine."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_all_addresses_of_a_name_have_one_time(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    named(monkeypatch, *[silent] * 20)
    began = time.monotonic()
    with pytest.raises(OutboundError, match=r"did not answer within 0\.3 s"):
        dial("many.example", 80, 0.3)
    assert 0.3 <= time.monotonic() - began < 0.6


def test_the_last_of_many_addresses_is_tried_in_time(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = socket.create_server(("127.0.0.1", 0))
        named(monkeypatch, *[silent] * 20, closed.getsockname()[1], server.getsockname()[1])
        closed.close()
        with dial("many.example", 80, 3.0) as connection:
            assert connection.getpeername() == server.getsockname()
            assert connection.gettimeout() == 3.0


def test_connecting_takes_no_longer_than_the_whole_may(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    named(monkeypatch, silent)
    began = time.monotonic()
    with pytest.raises(OutboundError, match="did not answer") as raised:
        request("GET", "http://slow.example/", total=0.3)
    assert time.monotonic() - began < 2 < outbound.CONNECT_SECONDS
    assert not raised.value.arrived


def test_a_name_that_took_all_the_time_is_said(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    named(monkeypatch, silent)
    with pytest.raises(OutboundError, match=r"slow\.example took too long to resolve"):
        dial("slow.example", 80, 1.0, time.monotonic())


def test_connecting_takes_no_longer_than_its_own_limit(monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    named(monkeypatch, silent)
    monkeypatch.setattr(outbound, "CONNECT_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(OutboundError, match="did not answer"):
        request("GET", "http://slow.example/", total=10)
    assert time.monotonic() - began < 2


def test_nonsense_is_a_broken_connection(peer: Peer) -> None:
    with pytest.raises(OutboundError, match="closed the connection") as raised:
        request("GET", peer(lambda connection: connection.sendall(b"SSH-2.0-hello\r\n\r\n")))
    assert "secret-path" not in str(raised.value)


@pytest.mark.parametrize("value", ["€", "a\nb"])
def test_a_header_that_cannot_be_sent_is_refused_and_not_shown(httpserver: HTTPServer, value: str) -> None:
    with pytest.raises(AddressRefused, match="A header") as raised:
        request("GET", httpserver.url_for("/"), headers={"Authorization": f"secret{value}"})
    assert "secret" not in str(raised.value)
    assert not httpserver.log


def test_headers_that_cannot_be_read_do_not_bring_the_address_into_the_log(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    broken = b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\n\r\n"
    with caplog.at_level(logging.DEBUG):
        request("GET", peer(lambda connection: connection.sendall(broken)))
    assert "secret-path" not in caplog.text


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[HTTPServer, str]]:
    """A server with a certificate for `localhost`, and the file that makes it trusted."""
    chain, secret = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    with HTTPServer(host="localhost", ssl_context=context) as server:
        server.expect_request("/").respond_with_data("ok")
        yield server, str(chain)


def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(secure: tuple[HTTPServer, str]) -> None:
    server, chain = secure
    assert request("GET", f"https://localhost:{server.port}/", ca=chain).body == b"ok"
    with pytest.raises(OutboundError, match="not for this name"):
        request("GET", f"https://127.0.0.1:{server.port}/", ca=chain)


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: tuple[HTTPServer, str]) -> None:
    server, _ = secure
    with pytest.raises(OutboundError, match="not trusted") as raised:
        request("GET", f"https://localhost:{server.port}/")
    assert not raised.value.arrived


def test_an_allow_list_is_read_as_networks(settings: object) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]  # type: ignore[attr-defined]
    assert may_connect("127.0.0.1")
    assert ipaddress.ip_address("127.0.0.2").is_loopback
    assert not may_connect("127.0.0.2")
