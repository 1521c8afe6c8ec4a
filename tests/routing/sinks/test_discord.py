import pytest
from pytest_httpserver import HTTPServer

from routing.sinks.base import Verdict
from routing.sinks.discord import Discord
from routing.sinks.lengths import utf16
from tests.routing.sinks import samples

WEBHOOK = {"webhook_url": "https://discord.com/api/webhooks/1/x"}


def test_every_limit_of_an_embed_is_kept_by_the_largest_message() -> None:
    (embed,) = Discord(WEBHOOK).payload(samples.enormous())["embeds"]
    fields = embed["fields"]
    assert utf16(embed["title"]) <= 256
    assert utf16(embed["description"]) <= 4096
    assert len(fields) <= 25
    assert all(0 < utf16(field["name"]) <= 256 and 0 < utf16(field["value"]) <= 1024 for field in fields)
    texts = [embed["title"], embed["description"], embed["footer"]["text"]]
    texts += [text for field in fields for text in (field["name"], field["value"])]
    assert sum(map(utf16, texts)) <= 6000


def test_emoji_count_twice_and_still_fit() -> None:
    many = "😀" * 10_000
    alert = samples.alert(output=many, output_fields={"proc.name": many, "proc.cmdline": many, "fd.name": many})
    (embed,) = Discord(WEBHOOK).payload(samples.message("firing", alert))["embeds"]
    texts = [embed["title"], embed["description"], embed["footer"]["text"]]
    texts += [text for field in embed["fields"] for text in (field["name"], field["value"])]
    assert sum(map(utf16, texts)) <= 6000
    assert all(utf16(field["value"]) <= 1024 for field in embed["fields"])


def test_nobody_is_called_by_an_alert() -> None:
    payload = Discord(WEBHOOK).payload(samples.message("firing", samples.alert(output="@everyone <@&42> see `this`")))
    assert payload["allowed_mentions"] == {"parse": []}
    description = payload["embeds"][0]["description"]
    assert "@everyone" not in description
    assert "<@&" not in description


def test_a_field_of_blanks_is_left_out() -> None:
    alert = samples.alert(hostname=" ", output_fields={"fd.name": "\n"})
    (embed,) = Discord(WEBHOOK).payload(samples.message("firing", alert))["embeds"]
    assert all(field["value"].strip() for field in embed["fields"])


@pytest.mark.parametrize(
    ("options", "query"),
    [({}, "wait=true"), ({"thread_id": "42"}, "wait=true&thread_id=42"), ({"thread_id": "4&wait=false"}, "wait=true")],
)
def test_discord_is_asked_whether_it_was_saved(httpserver: HTTPServer, options: dict[str, str], query: str) -> None:
    httpserver.expect_request("/api/webhooks/1/x", query_string=query).respond_with_json({"id": "7"})
    sender = Discord({"webhook_url": httpserver.url_for("/api/webhooks/1/x"), **options})
    assert sender.deliver(samples.message()).verdict is Verdict.SENT


def hook(httpserver: HTTPServer, **options: str) -> Discord:
    return Discord({"webhook_url": httpserver.url_for("/hook?with_components=true"), "thread_id": "42", **options})


def receipt(of: Discord) -> dict[str, str]:
    return {"message": "7", "place": of._place()}


def test_a_message_is_remembered_without_the_webhooks_address(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_json({"id": "7"})
    outcome = hook(httpserver).deliver(samples.message(receipt={"message": "6", "place": "elsewhere"}))
    assert outcome.receipt == receipt(hook(httpserver))
    assert "hook" not in str(outcome.receipt)


@pytest.mark.parametrize(("event", "kept"), [("acknowledged", None), ("resolved", {})])
def test_how_a_group_stands_is_shown_in_its_newest_message(
    httpserver: HTTPServer, event: str, kept: dict[str, str] | None
) -> None:
    query = "with_components=true&thread_id=42"
    httpserver.expect_request("/hook/messages/7", method="PATCH", query_string=query).respond_with_json({"id": "7"})
    message = samples.message(event, receipt=receipt(hook(httpserver)))
    outcome = hook(httpserver).deliver(message)
    assert (outcome.verdict, outcome.receipt) == (Verdict.SENT, kept)
    assert httpserver.log[0][0].get_json() == hook(httpserver).payload(message)


def test_new_alerts_are_a_new_message_which_people_notice(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_json({"id": "8"})
    outcome = hook(httpserver).deliver(samples.message(receipt=receipt(hook(httpserver))))
    assert outcome.receipt == {**receipt(hook(httpserver)), "message": "8"}


@pytest.mark.parametrize(("exists", "verdict"), [(True, Verdict.SENT), (False, Verdict.GONE)])
def test_where_the_message_was_deleted_another_tells_if_the_webhook_is_still_there(
    httpserver: HTTPServer, exists: bool, verdict: Verdict
) -> None:
    httpserver.expect_request("/hook/messages/7").respond_with_json({"code": 10008}, status=404)
    httpserver.expect_request("/hook").respond_with_json({"id": "8"}, status=200 if exists else 404)
    message = samples.message("resolved", receipt=receipt(hook(httpserver)))
    assert hook(httpserver).deliver(message).verdict is verdict


def test_a_message_of_another_thread_is_not_changed(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_json({"id": "8"})
    message = samples.message("resolved", receipt=receipt(hook(httpserver, thread_id="43")))
    assert hook(httpserver).deliver(message).verdict is Verdict.SENT


def test_a_deleted_webhook_is_gone(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_json({"message": "Unknown Webhook", "code": 10015}, status=404)
    assert Discord({"webhook_url": httpserver.url_for("/hook")}).deliver(samples.message()).verdict is Verdict.GONE


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 50083, Verdict.CREDENTIALS),
        (400, 220001, Verdict.CREDENTIALS),
        (404, 10003, Verdict.CREDENTIALS),
        (400, 50035, Verdict.FAILED),
    ],
)
def test_a_thread_or_channel_that_takes_nothing_is_the_sinks_trouble(
    httpserver: HTTPServer, status: int, code: int, verdict: Verdict
) -> None:
    httpserver.expect_request("/hook").respond_with_json({"message": "No", "code": code}, status=status)
    assert hook(httpserver).deliver(samples.message()).verdict is verdict


def test_a_full_bucket_names_the_time(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_json(
        {"message": "You are being rate limited.", "retry_after": 0.529}, status=429, headers={"Retry-After": "1"}
    )
    outcome = Discord({"webhook_url": httpserver.url_for("/hook")}).deliver(samples.message())
    assert (outcome.verdict, outcome.retry_after) == (Verdict.RETRY, 1.0)


def test_whether_a_repeat_is_risked_is_an_option() -> None:
    assert Discord(WEBHOOK).may_repeat()
    assert not Discord({**WEBHOOK, "repeat_unknown": False}).may_repeat()
