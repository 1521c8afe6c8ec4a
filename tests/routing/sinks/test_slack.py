import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.slack import Slack, escape, fitted
from tests.routing.sinks import samples

WEBHOOK = {"webhook_url": "https://hooks.slack.com/services/T/B/x"}


def texts(node: Any) -> list[tuple[str, str]]:
    """Every text object of a payload, with its type."""
    if isinstance(node, dict):
        own = [(node["type"], node["text"])] if isinstance(node.get("text"), str) and "type" in node else []
        return own + [found for value in node.values() for found in texts(value)]
    return [found for item in node for found in texts(item)] if isinstance(node, list) else []


def test_a_message_beyond_every_limit_stays_within_slacks() -> None:
    payload = Slack(WEBHOOK).payload(samples.enormous())
    assert len(payload["text"]) <= 4000
    (attachment,) = payload["attachments"]
    assert len(attachment["blocks"]) <= 50
    for block in attachment["blocks"]:
        if "fields" in block:
            assert 1 <= len(block["fields"]) <= 10
            assert all(len(field["text"]) <= 2000 for field in block["fields"])
        else:
            assert all(1 <= len(text) <= 3000 for _, text in texts(block))


def test_no_alert_can_mention_a_channel_or_make_a_link() -> None:
    sent = json.dumps(Slack(WEBHOOK).payload(samples.enormous()))
    assert "<!channel>" not in sent
    assert "<!everyone>" not in sent
    assert "&lt;!everyone&gt;" in sent


def test_nothing_of_an_alert_is_read_as_markup_outside_of_its_code_block() -> None:
    text = "``` *bold* :fire: https://bad.example"
    alert = samples.alert(output=text, rule=text, hostname=text, output_fields={"user.name": text, "proc.name": text})
    payload = Slack(WEBHOOK).payload(samples.message("firing", alert, reason=text, route=text))
    assert (payload["mrkdwn"], payload["parse"]) == (False, "none")
    blocks = payload["attachments"][0]["blocks"]
    marked = [found for kind, found in texts(blocks) if kind == "mrkdwn"]
    assert len([found for kind, found in texts(blocks) if kind == "plain_text" and "bad.example" in found]) >= 5
    assert marked
    assert "bad.example" not in "".join(marked)


def test_no_marked_text_is_read_for_links_and_no_address_is_fetched(httpserver: HTTPServer) -> None:
    answers(httpserver, POSTED, UPDATED, POSTED)
    httpserver.expect_request("/hook").respond_with_data("ok")
    bot(httpserver).deliver(samples.message())
    bot(httpserver).deliver(samples.message("acknowledged", receipt=FIRST))
    Slack({"webhook_url": httpserver.url_for("/hook")}).deliver(samples.message())
    sent = [request.get_json() for request, _ in httpserver.log]
    quiet = [(one.get("unfurl_links"), one.get("unfurl_media")) for one in sent]
    # A change of a message fetches nothing.
    assert quiet == [(False, False), (None, None), (False, False), (False, False)]
    assert [(one["mrkdwn"], one["parse"]) for one in sent] == [(False, "none")] * 4
    told = json.dumps(sent)
    assert told.count('"mrkdwn", "text"') == told.count('"verbatim": true') > 0


def test_a_command_line_cannot_end_its_code_block() -> None:
    alert = samples.alert(output_fields={"proc.cmdline": "echo ```*bold*```"})
    blocks = Slack(WEBHOOK).payload(samples.message("firing", alert))["attachments"][0]["blocks"]
    (command,) = [block["text"]["text"] for block in blocks if "Command line" in json.dumps(block)]
    assert command.count("```") == 2


def test_an_alert_without_any_field_is_told() -> None:
    alert = samples.alert(output_fields={}, output="", hostname="", tags=())
    payload = Slack(WEBHOOK).payload(samples.message("firing", alert))
    assert all(text for _, text in texts(payload))


@pytest.mark.parametrize("limit", [1, 2, 5, 9, 100])
def test_cutting_never_cuts_an_entity(limit: int) -> None:
    cut = fitted("a<&>b" * 50, limit)
    assert len(cut) <= limit
    rest = cut.removesuffix("…")
    assert escape(rest.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")) == rest


def bot(httpserver: HTTPServer) -> Slack:
    return Slack({"bot_token": "xoxb-not-a-token", "channel": "#security", "api_url": httpserver.url_for("/api")})


def test_a_bot_posts_to_its_channel_with_its_token(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/api/chat.postMessage").respond_with_json({"ok": True, "ts": "1.2"})
    assert bot(httpserver).deliver(samples.message()).verdict is Verdict.SENT
    request = httpserver.log[0][0]
    assert request.headers["Authorization"] == "Bearer xoxb-not-a-token"
    assert request.get_json()["channel"] == "#security"


FIRST = {"channel": "C1", "ts": "1.2", "asked": "#security"}


def answers(httpserver: HTTPServer, *said: dict[str, Any]) -> None:
    """Slack's answers to the next calls, in order."""
    for one in said:
        httpserver.expect_oneshot_request(re.compile("/api/chat.*")).respond_with_json(one)


def calls(httpserver: HTTPServer) -> list[tuple[str, dict[str, Any]]]:
    return [(request.path.removeprefix("/api/"), request.get_json()) for request, _ in httpserver.log]


POSTED = {"ok": True, "channel": "C1", "ts": "1.2"}
UPDATED = {"ok": True, "channel": "C1", "ts": "1.2", "text": "x"}


def test_a_bots_first_message_is_what_it_remembers(httpserver: HTTPServer) -> None:
    answers(httpserver, POSTED)
    assert bot(httpserver).deliver(samples.message()).receipt == FIRST


@pytest.mark.parametrize("event", ["firing", "acknowledged", "resolved"])
def test_later_messages_change_the_first_and_go_into_its_thread(httpserver: HTTPServer, event: str) -> None:
    answers(httpserver, UPDATED, {"ok": True, "channel": "C1", "ts": "3.4"})
    message = samples.message(event, receipt=FIRST)
    outcome = bot(httpserver).deliver(message)
    assert outcome.verdict is Verdict.SENT
    # The end of a group ends its thread: what comes after it is news.
    assert outcome.receipt == ({} if event == "resolved" else None)
    (first, changed), (second, told) = calls(httpserver)
    assert (first, second) == ("chat.update", "chat.postMessage")
    assert changed == {"channel": "C1", "ts": "1.2", **bot(httpserver).payload(message)}
    assert (told["channel"], told["thread_ts"]) == ("C1", "1.2")
    assert ("attachments" in told) == (event == "firing")
    assert event == "firing" or told["text"].endswith(" · new alerts in the group")


def test_where_the_first_message_was_deleted_another_takes_its_place(httpserver: HTTPServer) -> None:
    answers(httpserver, {"ok": False, "error": "message_not_found"}, {**POSTED, "ts": "5.6"})
    outcome = bot(httpserver).deliver(samples.message(receipt=FIRST))
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, {**FIRST, "ts": "5.6"})
    assert "thread_ts" not in calls(httpserver)[1][1]


@pytest.mark.parametrize("error", ["cant_update_message", "edit_window_closed"])
def test_where_the_first_message_may_not_be_changed_its_thread_goes_on(httpserver: HTTPServer, error: str) -> None:
    answers(httpserver, {"ok": False, "error": error}, POSTED)
    assert bot(httpserver).deliver(samples.message(receipt=FIRST)).verdict is Verdict.SENT
    assert calls(httpserver)[1][1]["thread_ts"] == "1.2"


def test_where_the_thread_takes_no_more_a_new_message_tells(httpserver: HTTPServer) -> None:
    closed = {"ok": False, "error": "restricted_action_thread_locked"}
    answers(httpserver, UPDATED, closed, {**POSTED, "ts": "5.6"})
    outcome = bot(httpserver).deliver(samples.message(receipt=FIRST))
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, {**FIRST, "ts": "5.6"})
    assert "thread_ts" not in calls(httpserver)[2][1]


@pytest.mark.parametrize(
    ("said", "verdict", "count"),
    [
        ([{"ok": False, "error": "ratelimited"}], Verdict.RETRY, 1),
        ([{"ok": False, "error": "token_revoked"}], Verdict.CREDENTIALS, 1),
        ([UPDATED, {"ok": False, "error": "ratelimited"}], Verdict.RETRY, 2),
    ],
)
def test_nothing_is_told_twice_where_one_of_two_calls_fails(
    httpserver: HTTPServer, said: list[dict[str, Any]], verdict: Verdict, count: int
) -> None:
    answers(httpserver, *said)
    outcome = bot(httpserver).deliver(samples.message("resolved", receipt=FIRST))
    assert (outcome.verdict, outcome.receipt, len(httpserver.log)) == (verdict, None, count)


def test_another_channel_begins_another_thread(httpserver: HTTPServer) -> None:
    answers(httpserver, {**POSTED, "channel": "C2"})
    elsewhere = Slack({**vars(bot(httpserver).config), "channel": "#other"})
    outcome = elsewhere.deliver(samples.message(receipt=FIRST))
    assert outcome.receipt == {"channel": "C2", "ts": "1.2", "asked": "#other"}


def test_without_threads_every_message_stands_alone(httpserver: HTTPServer) -> None:
    answers(httpserver, POSTED)
    alone = Slack({**vars(bot(httpserver).config), "threads": False})
    assert alone.deliver(samples.message(receipt=FIRST)).receipt is None
    assert [name for name, _ in calls(httpserver)] == ["chat.postMessage"]


def test_the_end_of_a_group_that_nobody_remembers_is_not_remembered(httpserver: HTTPServer) -> None:
    answers(httpserver, POSTED)
    assert bot(httpserver).deliver(samples.message("resolved")).receipt == {}


def test_an_answer_that_is_too_long_to_be_read_is_understood_by_its_beginning(httpserver: HTTPServer) -> None:
    said = json.dumps({**POSTED, "message": {"text": "😀" * 20_000}}, separators=(",", ":"))
    httpserver.expect_request("/api/chat.postMessage").respond_with_data(said)
    outcome = bot(httpserver).deliver(samples.message())
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, FIRST)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ("ratelimited", Verdict.RETRY),
        ("internal_error", Verdict.RETRY),
        ("invalid_auth", Verdict.CREDENTIALS),
        ("token_revoked", Verdict.CREDENTIALS),
        ("channel_not_found", Verdict.CREDENTIALS),
        ("is_archived", Verdict.CREDENTIALS),
        ("not_in_channel", Verdict.CREDENTIALS),
        ("restricted_action_read_only_channel", Verdict.CREDENTIALS),
        ("ekm_access_denied", Verdict.CREDENTIALS),
        ("what_slack_adds_next_year", Verdict.CREDENTIALS),
        ("invalid_blocks", Verdict.FAILED),
        ("msg_too_long", Verdict.FAILED),
    ],
)
def test_an_error_in_a_200_is_an_error(httpserver: HTTPServer, error: str, verdict: Verdict) -> None:
    httpserver.expect_request("/api/chat.postMessage").respond_with_json({"ok": False, "error": error})
    outcome = bot(httpserver).deliver(samples.message())
    assert outcome.verdict is verdict
    assert error in outcome.error


def test_a_200_that_is_no_answer_of_slacks_is_tried_again(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/chat.postMessage").respond_with_data("<html>Sign in to the hotel's network</html>")
    assert bot(httpserver).deliver(samples.message()).verdict is Verdict.RETRY


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (400, "invalid_token", Verdict.CREDENTIALS),
        (404, "no_service", Verdict.GONE),
        (410, "channel_is_archived", Verdict.CREDENTIALS),
        (404, "channel_not_found", Verdict.CREDENTIALS),
        (403, "action_prohibited", Verdict.CREDENTIALS),
        (400, "invalid_payload", Verdict.FAILED),
        (500, "rollup_error", Verdict.RETRY),
    ],
)
def test_a_webhooks_error_is_in_its_text(httpserver: HTTPServer, status: int, text: str, verdict: Verdict) -> None:
    httpserver.expect_request("/hook").respond_with_data(text, status)
    assert Slack({"webhook_url": httpserver.url_for("/hook")}).deliver(samples.message()).verdict is verdict


def test_neither_webhook_nor_bot_is_said_plainly() -> None:
    with pytest.raises(ValueError, match="a bot token and a channel"):
        Slack({"bot_token": "xoxb-alone"})


def test_whether_a_repeat_is_risked_is_an_option() -> None:
    assert Slack(WEBHOOK).may_repeat()
    assert not Slack({**WEBHOOK, "repeat_unknown": False}).may_repeat()
