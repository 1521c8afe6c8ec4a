"""Text from alerts in products that read Markdown: an alert can neither format, nor hide where a link leads, nor call
people.

An address in it stays as it is, so that it can be copied and searched for; where a product makes a link of it, that
leads to what it says. Lengths are in UTF-16 units, which is the strictest count that any of these products may use.
"""

from routing.sinks.lengths import fitted, utf16

_MARKUP = frozenset("\\`*_~|[]<>#!")
# Between the sign and the name: invisible, and enough to make @channel and @somebody plain text.
_APART = "\u200b"
# Backslashes do nothing in code. Mattermost reads Slack's <!channel> even there.
_IN_CODE = {"`": "\u02cb", "@": "@" + _APART, "<": "<" + _APART}


def escape(character: str) -> str:
    """One character, harmless."""
    if character in _MARKUP:
        return "\\" + character
    return "@" + _APART if character == "@" else character


def text(value: str, limit: int) -> str:
    """`value` as text, at most `limit` long with what was added."""
    return fitted(value, limit, spell=escape, size=utf16)


def code(value: str, limit: int) -> str:
    """`value` as a block of code, at most `limit` long with the fences."""
    inside = fitted(value, limit - 8, spell=lambda character: _IN_CODE.get(character, character), size=utf16)
    return f"```\n{inside}\n```"
