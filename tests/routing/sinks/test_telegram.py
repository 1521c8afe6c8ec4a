import html
import re

import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.lengths import utf16
from routing.sinks.telegram import Telegram
from tests.routing.sinks import samples

BOT = {"token": "123456:abc", "chat_id": "-100"}
TAG = re.compile(r"</?(?:b|i|pre|a)(?: href=\"[^\"]*\")?>")


def shown(text: str) -> str:
    """What Telegram counts and shows: the text after its entities are parsed."""
    return html.unescape(TAG.sub("", text))


@pytest.mark.parametrize("letter", ["😀", "&", "<", "x"])
def test_the_largest_message_is_within_the_limit(letter: str) -> None:
    many = letter * 10_000
    names = ("proc.name", "proc.cmdline", "fd.name", "container.name", "k8s.ns.name", "k8s.pod.name", "user.name")
    alert = samples.alert(rule=many, output=many, hostname=many, output_fields=dict.fromkeys(names, many))
    text = Telegram(BOT).payload(samples.message("firing", alert, reason=many, route=many))["text"]
    assert 1000 < utf16(shown(text)) <= 4096
    assert not re.search(r"[<>]", TAG.sub("", text)), "markup of the alert, or a tag cut in two"
    assert not re.search(r"&(?!(?:amp|lt|gt|quot|#x27);)", text), "an entity cut in two"


def test_nobody_is_called_by_an_alert() -> None:
    text = Telegram(BOT).payload(samples.message("firing", samples.alert(output="@alice look")))["text"]
    assert "@alice" not in text


def bot(httpserver: HTTPServer) -> Telegram:
    return Telegram({**BOT, "api_url": httpserver.url_for("/")})


def test_a_message_goes_to_its_chat_and_topic(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/bot123456:abc/sendMessage").respond_with_json({"ok": True, "result": {"message_id": 1}})
    assert bot(httpserver).deliver(samples.message()).verdict is Verdict.SENT
    sent = httpserver.log[0][0].get_json()
    assert sent["chat_id"] == "-100"
    assert "message_thread_id" not in sent


FIRST = {"message": "7", "place": "-100 0"}


def test_the_first_message_is_remembered_and_answered(httpserver: HTTPServer) -> None:
    for number in (7, 8, 9):
        httpserver.expect_oneshot_request(re.compile(".*")).respond_with_json(
            {"ok": True, "result": {"message_id": number}}
        )
    assert bot(httpserver).deliver(samples.message()).receipt == FIRST
    assert bot(httpserver).deliver(samples.message("acknowledged", receipt=FIRST)).receipt is None
    assert bot(httpserver).deliver(samples.message("resolved", receipt=FIRST)).receipt == {}
    first, second, third = [request.get_json() for request, _ in httpserver.log]
    assert "reply_parameters" not in first
    assert second["reply_parameters"] == third["reply_parameters"]
    assert second["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}
    assert [one["disable_notification"] for one in (first, second, third)] == [False, True, False]


def test_where_the_first_message_is_gone_another_is_sent(httpserver: HTTPServer) -> None:
    lost = {"ok": False, "error_code": 400, "description": "Bad Request: message to be replied not found"}
    httpserver.expect_oneshot_request(re.compile(".*")).respond_with_json(lost, status=400)
    httpserver.expect_oneshot_request(re.compile(".*")).respond_with_json({"ok": True, "result": {"message_id": 8}})
    outcome = bot(httpserver).deliver(samples.message(receipt=FIRST))
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, {**FIRST, "message": "8"})


@pytest.mark.parametrize("changed", [{"chat_id": "-200"}, {"thread_id": 3}])
def test_a_message_of_another_chat_is_not_answered(httpserver: HTTPServer, changed: dict[str, object]) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json({"ok": True, "result": {"message_id": 8}})
    Telegram({**vars(bot(httpserver).config), **changed}).deliver(samples.message(receipt=FIRST))
    assert "reply_parameters" not in httpserver.log[0][0].get_json()


@pytest.mark.parametrize(
    ("status", "description", "verdict"),
    [
        (400, "Bad Request: chat not found", Verdict.CREDENTIALS),
        (403, "Forbidden: bot was blocked by the user", Verdict.CREDENTIALS),
        (403, "Forbidden: bot was kicked from the supergroup chat", Verdict.CREDENTIALS),
        (403, "Forbidden: user is deactivated", Verdict.CREDENTIALS),
        (400, "Bad Request: group chat was deactivated", Verdict.CREDENTIALS),
        (400, "Bad Request: message thread not found", Verdict.CREDENTIALS),
        (400, "Bad Request: TOPIC_CLOSED", Verdict.CREDENTIALS),
        (400, "Bad Request: TOPIC_DELETED", Verdict.CREDENTIALS),
        (400, "Bad Request: CHAT_RESTRICTED", Verdict.CREDENTIALS),
        (400, "Bad Request: not enough rights to send text messages to the chat", Verdict.CREDENTIALS),
        (401, "Unauthorized", Verdict.CREDENTIALS),
        (404, "Not Found", Verdict.CREDENTIALS),
        (400, "Bad Request: message is too long", Verdict.FAILED),
        (500, "Internal Server Error", Verdict.RETRY),
    ],
)
def test_an_error_is_understood_by_its_words(
    httpserver: HTTPServer, status: int, description: str, verdict: Verdict
) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json(
        {"ok": False, "error_code": status, "description": description}, status=status
    )
    assert bot(httpserver).deliver(samples.message()).verdict is verdict


def test_a_group_that_became_a_supergroup_names_its_new_number(httpserver: HTTPServer) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json(
        {
            "ok": False,
            "description": "Bad Request: group chat was upgraded to a supergroup chat",
            "parameters": {"migrate_to_chat_id": -1009},
        },
        status=400,
    )
    outcome = bot(httpserver).deliver(samples.message())
    assert outcome.verdict is Verdict.CREDENTIALS
    assert "now -1009" in outcome.error


@pytest.mark.parametrize(
    ("parameters", "seconds"), [({"retry_after": 35}, 35.0), ({"retry_after": 1e9}, 86400.0), ({}, None), (None, None)]
)
def test_the_time_to_wait_is_in_the_body(httpserver: HTTPServer, parameters: object, seconds: float | None) -> None:
    httpserver.expect_request(re.compile(".*")).respond_with_json(
        {"ok": False, "description": "Too Many Requests", "parameters": parameters}, status=429
    )
    outcome = bot(httpserver).deliver(samples.message())
    assert (outcome.verdict, outcome.retry_after) == (Verdict.RETRY, seconds)


def test_whether_a_repeat_is_risked_is_an_option() -> None:
    assert Telegram(BOT).may_repeat()
    assert not Telegram({**BOT, "repeat_unknown": False}).may_repeat()
