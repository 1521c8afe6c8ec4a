"""Slack: one Block Kit message for each telling of a group, by incoming webhook or by bot token.

A bot's first message about a group shows the group's state: it is changed in place (chat.update) whenever there is
something to tell, and what is told goes into its thread.

Limits: docs.slack.dev, "Block Kit reference" and "Truncating content": header 150 characters, section text 3,000,
field 2,000, ten fields, text kept below 4,000. An incoming webhook answers the text `ok`; the Web API answers 200
whatever happened and puts the result into `ok` and `error`. "Text object": what an alert says stands in plain text,
which is not read as markup, or in a block of code; `verbatim` makes no links of the addresses there.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import orjson

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import lengths, places, wording
from routing.sinks.base import Message, Outcome, Pace, Templated, Verdict
from routing.sinks.http import HttpSender, verdict

# Slack names these for requests that another try can save (docs.slack.dev, chat.postMessage, "Errors").
_PASSING = {
    "internal_error",
    "fatal_error",
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
}
_CREDENTIALS = {
    "access_denied",
    "account_inactive",
    "invalid_auth",
    "invalid_token",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
}
# What is wrong with the message. Every other error of the Web API is about the place or the app, and new ones are
# added: not_in_channel, channel_not_found, is_archived, restricted_action and its kin, ekm_access_denied.
_OF_MESSAGE = {
    "attachment_payload_limit_exceeded",
    "invalid_arg_name",
    "invalid_arguments",
    "invalid_array_arg",
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_charset",
    "invalid_form_data",
    "invalid_json",
    "invalid_post_type",
    "json_not_object",
    "missing_post_type",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "too_many_attachments",
}
# The same of webhooks, where their status says something else (docs.slack.dev, "Incoming webhooks", "Handling errors").
_NOT_THERE = {"channel_not_found", "channel_is_archived", "is_archived", "is_inactive", "user_not_found"}
_GONE = {"no_service", "no_service_id", "no_active_hooks"}
# chat.postMessage, "Errors": the thread takes no more.
_CLOSED = {"cannot_reply_to_message", "restricted_action_non_threadable_channel", "restricted_action_thread_locked"}
# chat.update, "Errors": somebody deleted the message, or it may not be changed (any more).
_DELETED = {"message_not_found"}
_FIXED = {"cant_update_message", "edit_window_closed", "update_failed"}
_BEGINNING = re.compile(r'\{"ok":true,"channel":"(?P<channel>[^"]*)","ts":"(?P<ts>[^"]*)",')
# Addresses of ours only lead to a page that asks for sign-in, and those of alerts shall not be fetched.
_NO_PREVIEWS = {"unfurl_links": False, "unfurl_media": False}
# Of the line above the blocks: no bold, no links. Without `parse`, chat.update reads it as if a person had typed it.
_AS_IT_IS = {"mrkdwn": False, "parse": "none"}


def escape(text: str) -> str:
    """`text` with the three characters that Slack reads as markup, so that no alert can mention @channel or link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fitted(text: str, limit: int) -> str:
    """`text`, escaped and cut to `limit` UTF-16 units, the strictest count that "characters" may mean."""
    return lengths.fitted(text, limit, spell=escape, size=lengths.utf16)


class Slack(HttpSender):
    """Posts to a channel; a webhook is enough, a bot token lets the channel be chosen."""

    kind = "slack"
    label = "Slack"
    takes = Templated(title=3000, body=2900)
    sends_acknowledged = True
    keeps_receipts = True
    # One a second and channel; short bursts are tolerated (docs.slack.dev, "Rate limits").
    pace = Pace(60, burst=5)
    digests = True

    @dataclass(frozen=True)
    class Config:
        webhook_url: Secret = option(
            "In Slack: your app → Incoming Webhooks → Add New Webhook. Leave empty to use a bot token.",
            label="Webhook URL",
            default=Secret(""),
            placeholder="https://hooks.slack.com/services/…",
            place=places.url,
        )
        bot_token: Secret = option(
            "In Slack: your app → OAuth & Permissions, with the scope chat:write.",
            label="Bot token",
            default=Secret(""),
            placeholder="xoxb-…",
        )
        channel: str = option(
            "Where the bot posts: a channel's id or name.", label="Channel", default="", placeholder="#security"
        )
        threads: bool = option(
            "A bot changes its first message about a group to show how it stands, and tells more in its thread.",
            label="Threads",
            default=True,
        )
        api_url: str = option(
            "Slack's Web API.", label="API address", default="https://slack.com/api", place=places.url
        )
        repeat_unknown: bool = option(
            "Send again when it is not known whether a try arrived. Slack cannot tell a repeat.",
            label="Repeat when unsure",
            default=True,
        )

        def __post_init__(self) -> None:
            if not self.webhook_url and not (self.bot_token and self.channel):
                raise ValueError("Slack needs a webhook URL, or a bot token and a channel")

    def send(self, message: Message) -> Outcome:
        if self.config.webhook_url:
            return self.post(self.config.webhook_url, {**_NO_PREVIEWS, **self.payload(message)})
        first = message.receipt
        if not self.config.threads or first.get("asked") != self.config.channel:
            return self._posted(message)
        # First what may be done twice: where the second call fails, both are tried again.
        place = {"channel": first["channel"], "ts": first["ts"]}
        shown = self._call("chat.update", {**place, **self.payload(message)})
        error = _said(shown.response).get("error")
        if error in _DELETED:
            return self._posted(message)
        if shown.verdict is not Verdict.SENT and error not in _FIXED:
            return shown
        told = self._call("chat.postMessage", self._reply(message, first["channel"], first["ts"]))
        if _said(told.response).get("error") in _CLOSED:
            return self._posted(message)
        over = told.verdict is Verdict.SENT and message.event == "resolved"
        return replace(told, receipt={}) if over else told

    def _posted(self, message: Message) -> Outcome:
        """A message of its own, which becomes the group's."""
        payload = {"channel": self.config.channel, **_NO_PREVIEWS, **self.payload(message)}
        outcome = self._call("chat.postMessage", payload)
        said = _said(outcome.response)
        if outcome.verdict is not Verdict.SENT or not self.config.threads or "ts" not in said:
            return outcome
        first = {"channel": str(said.get("channel")), "ts": str(said["ts"]), "asked": self.config.channel}
        return replace(outcome, receipt={} if message.event == "resolved" else first)

    def _call(self, method: str, payload: dict[str, Any]) -> Outcome:
        url = f"{self.config.api_url.rstrip('/')}/{method}"
        return self.post(url, payload, headers={"Authorization": f"Bearer {self.config.bot_token}"})

    def _reply(self, message: Message, channel: str, thread: str) -> dict[str, Any]:
        """New alerts in full; of an acknowledgement or an end one line, for the first message says the rest."""
        line = {"text": fitted(f"{wording.headline(message)} · {message.reason}", 3000), **_AS_IT_IS}
        told = self.payload(message) if message.event == "firing" else line
        return {"channel": channel, "thread_ts": thread, **_NO_PREVIEWS, **told}

    def may_repeat(self) -> bool:
        return bool(self.config.repeat_unknown)

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """The Web API says what happened in the body, and webhooks answer errors as text."""
        body = _said(answer.text)
        if body:
            if body.get("ok") is True:
                return verdict(answer.status)
            error = str(body.get("error", ""))
        else:
            error = answer.text.strip()[:100]
            if self.config.webhook_url and answer.status < 300:
                return verdict(answer.status)
            if not self.config.webhook_url and answer.status < 300:
                return Verdict.RETRY, "Slack's answer was not understood"
        if error in _PASSING:
            return Verdict.RETRY, f"Slack has trouble: {error}"
        if error in _OF_MESSAGE:
            return Verdict.FAILED, f"Slack does not accept the message: {error}"
        if error in _CREDENTIALS:
            return Verdict.CREDENTIALS, f"Slack refuses the credentials: {error}; check the token and its scopes"
        if error in _GONE:
            return Verdict.GONE, f"Slack has no such webhook: {error}"
        if answer.status < 300 or error in _NOT_THERE:
            return Verdict.CREDENTIALS, f"Slack does not let this sink post there: {error}; mend the channel or the app"
        return verdict(answer.status)

    def payload(self, message: Message) -> dict[str, Any]:
        """The JSON that Slack gets: a line of text, and an attachment in the priority's colour."""
        return {
            "text": fitted(wording.headline(message), 3000),
            **_AS_IT_IS,
            "attachments": [
                {
                    "color": wording.colour(message),
                    "fallback": fitted(wording.headline(message), 1000),
                    "blocks": self._blocks(message),
                }
            ],
        }

    def _blocks(self, message: Message) -> list[dict[str, Any]]:
        alert = message.newest
        # An empty text makes Slack refuse the whole message.
        blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(wording.text(message), 2900)}]
        pairs = [(label, value) for label, value in wording.facts(alert) if label != "Rule"][:8]
        fields = [_plain(f"{label}\n{wording.cut(value, 300)}", 1900) for label, value in pairs]
        blocks.append({"type": "section", "fields": fields})
        if tree := wording.process_tree(alert):
            blocks.append({"type": "section", "text": _plain(f"Process\n{tree}", 1000)})
        if command := wording.command_line(alert):
            # Three backquotes would end the code block.
            blocks.append(_marked(f"*Command line*\n```{fitted(command.replace('```', '` ` `'), 2800)}```"))
        group = message.group
        links = [f"<{group.url}|Open the group>"]
        if message.event == "firing":
            links += [f"<{group.acknowledge_url}|Acknowledge>", f"<{group.silence_url}|Silence>"]
        blocks.append(_marked("  ·  ".join(links)))
        count = f"{group.count} alert{'s' if group.count != 1 else ''}"
        context = (
            f"{count} in this group · {message.reason} · route {message.route} · {alert.time:%Y-%m-%d %H:%M:%S} UTC"
        )
        blocks.append({"type": "context", "elements": [_plain(context, 1900)]})
        return blocks


def _said(body: str) -> dict[str, Any]:
    """The Web API's answer; empty where it is something else."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        # It repeats the message with every letter escaped, and long answers are cut.
        head = _BEGINNING.match(body)
        return {"ok": True, **head.groupdict()} if head else {}
    return found if isinstance(found, dict) else {}


def _plain(text: str, limit: int) -> dict[str, Any]:
    """A text in which nothing is read as markup; not even `:8080:` becomes a picture."""
    return {"type": "plain_text", "text": fitted(text, limit), "emoji": False}


def _marked(text: str) -> dict[str, Any]:
    """A section in our markup, without links that Slack would make of anything else in it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
