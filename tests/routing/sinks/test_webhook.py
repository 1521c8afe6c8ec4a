import base64
import json

import pytest
from pytest_httpserver import HTTPServer
from standardwebhooks.webhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from routing.sinks.base import Verdict
from routing.sinks.webhook import Webhook, signing_key
from tests.routing.sinks import samples

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def sent(httpserver: HTTPServer, **options: str) -> Webhook:
    httpserver.expect_request("/hook").respond_with_data("", 204)
    return Webhook({"url": httpserver.url_for("/hook"), **options})


def test_the_signature_is_one_that_the_reference_library_accepts(httpserver: HTTPServer) -> None:
    sent(httpserver, signing_secret=SECRET).deliver(samples.message())
    request = httpserver.log[0][0]
    body = request.get_data()
    assert Reference(SECRET).verify(body, dict(request.headers)) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Reference(SECRET).verify(body + b" ", dict(request.headers))


def test_the_id_stays_the_same_over_all_attempts(httpserver: HTTPServer) -> None:
    sender = sent(httpserver)
    sender.deliver(samples.message())
    sender.deliver(samples.message())
    assert [request.headers["webhook-id"] for request, _ in httpserver.log] == [str(samples.DELIVERY)] * 2


def test_without_a_secret_nothing_is_signed(httpserver: HTTPServer) -> None:
    sent(httpserver).deliver(samples.message())
    assert "webhook-signature" not in httpserver.log[0][0].headers


def test_any_text_can_be_a_secret() -> None:
    assert signing_key("whsec_" + base64.b64encode(b"k" * 24).decode()) == b"k" * 24
    assert signing_key("plain") == b"plain"


def test_a_secret_that_is_not_what_it_says_is_refused() -> None:
    with pytest.raises(ValueError, match="is not base64"):
        Webhook({"url": "https://hook.example", "signing_secret": "whsec_!!"})


def test_further_headers_go_along(httpserver: HTTPServer) -> None:
    sent(httpserver, headers="X-Team: red\n\nAuthorization: Basic abc").deliver(samples.message())
    headers = httpserver.log[0][0].headers
    assert (headers["X-Team"], headers["Authorization"]) == ("red", "Basic abc")


@pytest.mark.parametrize("line", ["no colon", ": no name", "Content-Length: 3", "Host: elsewhere", "a b: c"])
def test_a_header_that_cannot_be_set_is_named_by_its_line(line: str) -> None:
    outcome = Webhook({"url": "http://127.0.0.1:9/", "headers": f"X-Fine: 1\n{line}"}).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "Line 2" in outcome.error


def test_put_is_put(httpserver: HTTPServer) -> None:
    sent(httpserver, method="PUT").deliver(samples.message())
    assert httpserver.log[0][0].method == "PUT"


def test_what_is_too_large_is_left_out_oldest_first() -> None:
    alerts = [samples.alert(output=f"{number:03} " + "x" * 8000) for number in range(100)]
    body = Webhook({"url": "x"}).body(samples.message("firing", *alerts, alert_count=100))
    found = json.loads(body)["data"]
    assert len(body) <= 256 * 1024
    assert found["alerts"][-1]["output"].startswith("099 ")
    assert 0 < len(found["alerts"]) < 100
    assert found["alert_count"] == 100


def test_one_alert_with_too_many_fields_loses_the_largest() -> None:
    fields = {f"field.{number}": ["x" * 9000] for number in range(60)} | {"proc.name": "cat"}
    body = Webhook({"url": "x"}).body(samples.message("firing", samples.alert(output_fields=fields)))
    assert len(body) <= 256 * 1024
    assert json.loads(body)["data"]["alerts"][0]["output_fields"]["proc.name"] == "cat"
