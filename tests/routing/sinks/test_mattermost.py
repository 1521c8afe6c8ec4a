import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.mattermost import Mattermost
from tests.routing.sinks import samples

WEBHOOK = {"webhook_url": "https://mattermost.example/hooks/x"}


def test_the_texts_of_the_largest_message_are_within_the_limit() -> None:
    payload = Mattermost(WEBHOOK).payload(samples.enormous())
    (attachment,) = payload["attachments"]
    texts = [payload["text"], attachment["fallback"], attachment["text"], attachment["footer"]]
    texts += [field["value"] for field in attachment["fields"]]
    assert all(0 < len(text) <= 16_383 for text in texts)


@pytest.mark.parametrize("word", ["@all", "@channel", "@here", "@alice", "<!channel>"])
def test_nobody_is_called_by_an_alert(word: str) -> None:
    alert = samples.alert(rule=word, output=word, output_fields={"proc.name": word, "proc.cmdline": word})
    payload = Mattermost(WEBHOOK).payload(samples.message("firing", alert))
    (attachment,) = payload["attachments"]
    assert word not in payload["text"] + attachment["text"] + attachment["fallback"]


def test_the_webhooks_own_place_is_used_where_none_is_named() -> None:
    assert "channel" not in Mattermost(WEBHOOK).payload(samples.message())


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (400, {"id": "web.incoming_webhook.invalid.app_error", "message": "Invalid webhook."}, Verdict.GONE),
        (404, {"id": "web.incoming_webhook.channel.app_error", "message": "No channel."}, Verdict.CREDENTIALS),
        (400, {"id": "web.incoming_webhook.parse.app_error", "message": "Unable to parse."}, Verdict.FAILED),
        (400, ["no object"], Verdict.FAILED),
        (403, {"id": "web.incoming_webhook.permissions.app_error", "message": "No."}, Verdict.CREDENTIALS),
        (500, {"id": "web.incoming_webhook.general.app_error", "message": "Oh."}, Verdict.RETRY),
    ],
)
def test_an_error_is_understood_by_its_id(httpserver: HTTPServer, status: int, said: object, verdict: Verdict) -> None:
    httpserver.expect_request("/hooks/x").respond_with_json(said, status=status)
    outcome = Mattermost({"webhook_url": httpserver.url_for("/hooks/x")}).deliver(samples.message())
    assert outcome.verdict is verdict


def test_ok_is_success(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hooks/x").respond_with_data("ok")
    outcome = Mattermost({"webhook_url": httpserver.url_for("/hooks/x")}).deliver(samples.message())
    assert outcome.verdict is Verdict.SENT


def test_whether_a_repeat_is_risked_is_an_option() -> None:
    assert Mattermost(WEBHOOK).may_repeat()
    assert not Mattermost({**WEBHOOK, "repeat_unknown": False}).may_repeat()
