"""Telegram: one message by a bot.

core.telegram.org/bots/api, "sendMessage": 1 to 4,096 characters after the entities are parsed, in UTF-16 units as
all of Telegram's lengths. The answer is JSON with `ok` and `description`, and `parameters.retry_after` where the bot
is too fast.
"""

import html
from dataclasses import dataclass, replace
from typing import Any

import orjson

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated, Verdict
from routing.sinks.http import LONGEST_WAIT, HttpSender, verdict
from routing.sinks.lengths import fitted, utf16

# What Telegram says, in lower case, about chats and topics that somebody must mend; it documents none of it.
_NOT_THERE = (
    "bot was blocked",
    "bot was kicked",
    "bot is not a member",
    "chat not found",
    "chat was deleted",
    "chat was deactivated",
    "chat_id is empty",
    "channel_private",
    "message thread not found",
    "peer_id_invalid",
    "topic_closed",
    "topic_deleted",
    "user is deactivated",
    "upgraded to a supergroup",
)
_NO_RIGHTS = (
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "chat_restricted",
    "chat_write_forbidden",
    "chat_send_plain_forbidden",
)


class Telegram(HttpSender):
    """Posts to a chat, group or channel that the bot belongs to."""

    kind = "telegram"
    label = "Telegram"
    takes = Templated(title=300, body=1200)
    sends_acknowledged = True
    keeps_receipts = True
    # Twenty in any minute and group (core.telegram.org/bots/faq, "My bot is hitting limits").
    pace = Pace(17, burst=3)
    digests = True

    @dataclass(frozen=True)
    class Config:
        token: Secret = option("From @BotFather.", label="Bot token", placeholder="123456:ABC-…")
        chat_id: str = option(
            "The chat's number, or @name of a public channel.", label="Chat", placeholder="-1001234567890"
        )
        thread_id: int = option(
            "A topic of a group with topics; 0 is none.", label="Topic", default=0, least=0, most=2_147_483_647
        )
        silent: bool = option("Send without a sound.", label="Silent", default=False)
        api_url: str = option("The Bot API.", label="API address", default="https://api.telegram.org", place=places.url)
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Telegram cannot tell a repeat.",
            label="Repeat when unsure",
            default=True,
        )

    def send(self, message: Message) -> Outcome:
        first = message.receipt.get("message", "") if message.receipt.get("place") == self._place() else ""
        payload = self.payload(message)
        if first.isdigit():
            reply = {"message_id": int(first), "allow_sending_without_reply": True}
            outcome = self._sent({**payload, "reply_parameters": reply})
            # In a topic it is not sent where the first message was deleted.
            if not _has_lost_the_first(outcome):
                over = outcome.verdict is Verdict.SENT and message.event == "resolved"
                return replace(outcome, receipt={}) if over else outcome
        outcome = self._sent(payload)
        result = _parsed(outcome.response).get("result")
        if outcome.verdict is not Verdict.SENT or not isinstance(result, dict) or "message_id" not in result:
            return outcome
        posted = {"message": str(result["message_id"]), "place": self._place()}
        return replace(outcome, receipt={} if message.event == "resolved" else posted)

    def _sent(self, payload: dict[str, Any]) -> Outcome:
        outcome = self.post(f"{self.config.api_url.rstrip('/')}/bot{self.config.token}/sendMessage", payload)
        if outcome.verdict is Verdict.RETRY and outcome.retry_after is None:
            return replace(outcome, retry_after=_asked_to_wait(outcome.response))
        return outcome

    def _place(self) -> str:
        return f"{self.config.chat_id} {self.config.thread_id}"

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """A 400 may be about the chat and not the message, and a 404 means that the token is no bot's."""
        said = _parsed(answer.body)
        error = str(said.get("description", ""))[:200]
        lower = error.lower()
        if said.get("ok") is False and any(words in lower for words in _NOT_THERE):
            moved = _parameter(said, "migrate_to_chat_id")
            hint = f"; its chat is now {moved}" if moved is not None else ""
            return Verdict.CREDENTIALS, f"Telegram has no such chat or topic for this bot: {error}{hint}"
        if said.get("ok") is False and any(words in lower for words in _NO_RIGHTS):
            return Verdict.CREDENTIALS, f"The bot may not write there: {error}"
        if said.get("ok") is False and answer.status == 404:
            return Verdict.CREDENTIALS, "Telegram does not know the token (404); get one from @BotFather"
        found, text = verdict(answer.status)
        return found, f"{text}: {error}" if text and error else text

    def payload(self, message: Message) -> dict[str, Any]:
        """The JSON that Telegram gets."""
        alert, group = message.newest, message.group
        # The lengths, before escaping, add up to less than 4,096.
        parts = [f"<b>{_text(wording.headline(message), 300)}</b>", _text(wording.text(message), 1200)]
        pairs = [(label, value) for label, value in wording.facts(alert) if label != "Rule"][:8]
        if tree := wording.process_tree(alert):
            pairs.append(("Process", tree))
        parts.append("\n".join(f"<b>{label}</b> {_text(value, 120)}" for label, value in pairs))
        if command := wording.command_line(alert):
            parts.append(f"<pre>{_text(command, 800)}</pre>")
        links = [("Open the group", group.url)]
        if message.event == "firing":
            links += [("Acknowledge", group.acknowledge_url), ("Silence", group.silence_url)]
        parts.append(" · ".join(f'<a href="{html.escape(url)}">{text}</a>' for text, url in links))
        parts.append(f"<i>{_text(f'{message.reason} · route {message.route}', 200)}</i>")
        payload: dict[str, Any] = {
            "chat_id": self.config.chat_id,
            "text": "\n\n".join(parts),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            # That somebody looks after it is no reason to wake the others.
            "disable_notification": self.config.silent or message.event == "acknowledged",
        }
        if self.config.thread_id:
            payload["message_thread_id"] = self.config.thread_id
        return payload


def _escape(character: str) -> str:
    """One character for Telegram's HTML; @name would call that person."""
    return "@\u200b" if character == "@" else html.escape(character, quote=False)


def _text(value: str, limit: int) -> str:
    return fitted(value, limit, spell=_escape, size=lambda part: utf16(html.unescape(part)))


def _parsed(body: bytes | str) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _parameter(said: dict[str, Any], name: str) -> Any:
    parameters = said.get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None


def _has_lost_the_first(outcome: Outcome) -> bool:
    said = str(_parsed(outcome.response).get("description", "")).lower()
    return outcome.verdict is Verdict.FAILED and "repl" in said


def _asked_to_wait(body: str) -> float | None:
    seconds = _parameter(_parsed(body), "retry_after")
    return min(float(seconds), LONGEST_WAIT) if isinstance(seconds, int | float) and seconds >= 0 else None
