"""Taking secrets out of what is kept or shown."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret in it starred, also where a receiver echoes only a part of a secret URL."""
    return starred(text, parts_of(secrets))


def parts_of(secrets: Iterable[str]) -> list[str]:
    """What of the secrets would tell them, the longest first."""
    return sorted({part for secret in secrets for part in _telling_parts(secret)}, key=len, reverse=True)


def starred(text: str, parts: Iterable[str]) -> str:
    """`text` with stars in place of these parts."""
    for part in parts:
        text = text.replace(part, "***")
    return text


def _signed_in(url: SplitResult) -> Iterator[str]:
    """Who a URL signs in as, as it is written and as it travels (RFC 7617)."""
    name, password = url.username or "", url.password or ""
    yield password or name
    if name:
        for spelled in (f"{name}:{password}", f"{unquote(name)}:{unquote(password)}"):
            yield b64encode(spelled.encode()).decode()


def _telling_parts(secret: str) -> Iterator[str]:
    """The forms in which a secret may come back; parts under six characters are words, not secrets."""
    pieces = [secret, *secret.splitlines()]
    with suppress(ValueError):  # Not every secret with a colon in it is a URL.
        url = urlsplit(secret if "://" in secret else "")
        pieces += [url.path, f"{url.path}?{url.query}", url.query, *_signed_in(url)]
        pieces += [value for _, value in parse_qsl(url.query)]
        pieces += [segment for segment in url.path.split("/") if len(segment) >= 16]
    for piece in pieces:
        if len(piece) >= 6:
            yield piece
            yield quote(piece, safe="")
            yield json.dumps(piece)[1:-1]
