"""Values as both databases keep them, so that what is read back is what was written.

PostgreSQL's jsonb refuses U+0000, infinities and NaN, and gives 1e3 back as 1000. An audit entry's hash
must survive the round trip, and a reported detail must not fail its row.
"""

import json
import math
from typing import Any

from routing.kinds import Secret

MASK = "***"
# Compared with the lower-cased key; what stands under such a key is never stored readably.
SECRET_WORDS = ("password", "passphrase", "secret", "token", "authorization", "credential", "api_key", "routing_key")
SECRET_KEYS = ("webhook_url", "private_key", "key", "dsn")


def text(value: str) -> str:
    """The text without U+0000, and with question marks for halves of surrogate pairs, which are not UTF-8."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def plain(value: Any) -> Any:
    """The nearest JSON value that survives a round trip through either database."""
    match value:
        case Secret():
            return MASK
        case None | bool() | int():
            return value
        case str():
            return text(value)
        case float():
            if not math.isfinite(value):
                return str(value)
            return int(value) if value.is_integer() else value
        case dict():
            return {text(str(key)): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return text(str(value))


def masked(value: Any) -> Any:
    """`plain`, with stars for everything under a key that names a secret."""
    if isinstance(value, dict):
        return {
            text(str(key)): MASK if item and names_secret(str(key)) else masked(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return plain(value)


def names_secret(key: str) -> bool:
    """Whether a key's name says that its value must not be shown."""
    lowered = key.lower()
    return lowered in SECRET_KEYS or any(word in lowered for word in SECRET_WORDS)


def canonical(value: Any) -> bytes:
    """One spelling of a plain JSON value, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
