"""Taking secrets out of what is kept or shown."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import parse_qsl, quote, urlsplit


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret in it starred, also where a receiver echoes only a part of a secret URL."""
    parts = {part for secret in secrets for part in _telling_parts(secret)}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    return text


def _telling_parts(secret: str) -> Iterator[str]:
    """The forms in which a secret may come back; parts under six characters are words, not secrets."""
    pieces = [secret, *secret.splitlines()]
    with suppress(ValueError):  # Not every secret with a colon in it is a URL.
        url = urlsplit(secret if "://" in secret else "")
        pieces += [url.path, f"{url.path}?{url.query}", url.query, url.password or ""]
        pieces += [value for _, value in parse_qsl(url.query)]
        pieces += [segment for segment in url.path.split("/") if len(segment) >= 16]
    for piece in pieces:
        if len(piece) >= 6:
            yield piece
            yield quote(piece, safe="")
            yield json.dumps(piece)[1:-1]
