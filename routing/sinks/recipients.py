"""Who a mail goes to, and what a mail server's answers about single recipients mean together.

The addresses that a server refuses for now, while it takes the mail for others, are remembered in the receipt of the
delivery's group until they took it too, so that nobody gets a mail twice.
"""

from collections.abc import Mapping
from email.errors import HeaderParseError
from email.headerregistry import Address

from routing.sinks.base import Message, Outcome, Verdict

MOST_TRIES = 6
"""For addresses that are refused for now: most of an hour. Meanwhile the group's next messages wait."""

Refused = Mapping[str, tuple[int, bytes | str]]
"""Addresses with the code and the text of the answer."""


def address(text: str) -> Address:
    """`name@domain` as an address; raises ValueError for anything else."""
    try:
        found = Address(addr_spec=text.strip())
    except (ValueError, IndexError, HeaderParseError):
        raise ValueError(f"{text.strip()!r} is not an address") from None
    if not found.domain:
        raise ValueError(f"{text.strip()!r} has no domain")
    return found


def listed(text: str) -> list[Address]:
    """Addresses with commas between them; raises ValueError where there is none, or one that is none."""
    found = [address(one) for one in text.split(",") if one.strip()]
    if not found:
        raise ValueError("there is nobody it goes to")
    return found


def waiting(message: Message, text: str) -> list[str]:
    """Who of those that are named it still goes to: everybody, or who was refused for now when the others took it."""
    later = refused_before(message)
    return [one for one in dict.fromkeys(named.addr_spec for named in listed(text)) if not later or one in later]


def refused_before(message: Message) -> set[str]:
    """The addresses that were refused for now when the others took this very delivery."""
    receipt = message.receipt
    return {one for one in receipt if "@" in one} if receipt.get("delivery") == str(message.delivery) else set()


def status(code: int) -> int | None:
    """None for an answer without a code, which smtplib numbers -1."""
    return code if code > 0 else None


def nobody(refused: Refused, shown: str) -> Outcome:
    """What it means that no recipient was taken."""
    codes = [code for code, _ in refused.values()]
    verdict = Verdict.CREDENTIALS if all(500 <= code < 600 for code in codes) else Verdict.RETRY
    text = "The mail server refuses every recipient"
    return Outcome(verdict, text, status(codes[0]), request=shown, response=_words(refused))


def some(message: Message, refused: Refused, shown: str) -> Outcome:
    """What it means that others took the mail, now or before: nobody who did gets it again."""
    later = [who for who, (code, _) in refused.items() if not 500 <= code < 600]
    tries = int(message.receipt["tries"]) if refused_before(message) else 1
    # Of a test, and of a message about several groups, nothing is remembered.
    remembered = message.event != "test" and not message.other_groups
    if later and tries < MOST_TRIES and remembered:
        receipt = {"delivery": str(message.delivery), "tries": str(tries + 1), **dict.fromkeys(later, "later")}
        text = f"The mail server refuses {', '.join(refused)} for now, and took it for the others"
        return Outcome(Verdict.RETRY, text, request=shown, response=_words(refused), receipt=receipt)
    text = f"The mail server refused {', '.join(refused)}, and took it for the others"
    return Outcome(Verdict.SENT, text, request=shown, response=_words(refused))


def _words(refused: Refused) -> str:
    return "; ".join(f"{who}: {code} {text_of(text)}" for who, (code, text) in refused.items())


def text_of(said: bytes | str) -> str:
    """An answer's text as Python has it."""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
