import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.teams import Teams
from tests.routing.sinks import samples

URL = {"url": "https://x.environment.api.powerplatform.com/workflows/1?sig=s"}


def runs(node: Any) -> list[dict[str, Any]]:
    """Every text of a card that can come from an alert."""
    if isinstance(node, dict):
        own = [node] if "text" in node else []
        return own + [run for value in node.values() for run in runs(value)]
    return [run for value in node for run in runs(value)] if isinstance(node, list) else []


@pytest.mark.parametrize("host", ["tenant.webhook.office.com", "webhook.office.com", "TENANT.Webhook.Office.com:443"])
def test_a_connectors_address_is_refused_and_says_what_to_make(host: str) -> None:
    with pytest.raises(ValueError, match="make a workflow"):
        Teams({"url": f"https://{host}/webhookb2/a@b/IncomingWebhook/c/d"})


def test_an_address_that_only_looks_like_a_connectors_is_tried(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/webhook.office.com").respond_with_data("", 202)
    assert Teams({"url": httpserver.url_for("/webhook.office.com")}).deliver(samples.message()).verdict is Verdict.SENT


def test_an_address_that_is_none_is_said_to_be() -> None:
    assert Teams({"url": "https://[webhook"}).deliver(samples.message()).verdict is Verdict.CREDENTIALS


def test_the_largest_card_stays_below_what_teams_takes() -> None:
    assert len(json.dumps(Teams(URL).payload(samples.enormous()), ensure_ascii=False).encode()) <= 28_000


def test_texts_of_an_alert_are_only_in_runs_that_read_no_markdown() -> None:
    payload = Teams(URL).payload(samples.message("firing", samples.alert(output="[click](https://bad.example)")))
    assert {run["type"] for run in runs(payload)} == {"TextRun"}


def test_the_address_is_kept_whole(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/workflows/1", query_string="api-version=1&sig=abc").respond_with_data("", 202)
    url = httpserver.url_for("/workflows/1") + "?api-version=1&sig=abc"
    assert Teams({"url": url}).deliver(samples.message()).verdict is Verdict.SENT


def test_what_is_over_is_green_and_asks_for_nothing() -> None:
    card = Teams(URL).payload(samples.message("resolved"))["attachments"][0]["content"]
    assert card["body"][0]["inlines"][0]["color"] == "good"
    assert [action["title"] for action in card["actions"]] == ["Open the group"]


def test_whether_a_repeat_is_risked_is_an_option() -> None:
    assert Teams(URL).may_repeat()
    assert not Teams({**URL, "repeat_unknown": False}).may_repeat()
