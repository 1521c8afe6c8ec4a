"""Cutting texts as their receivers count them: in characters, UTF-16 units or bytes, before or after escaping."""

from collections.abc import Callable

ELLIPSIS = "…"


def utf16(text: str) -> int:
    """The length of `text` in UTF-16 units, in which JavaScript and Telegram count: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8(text: str) -> int:
    """The length of `text` in bytes as it is sent."""
    return len(text.encode("utf-8", "surrogatepass"))


def fitted(
    text: str, limit: int, *, spell: Callable[[str], str] = str, size: Callable[[str], int] = len, end: str = ELLIPSIS
) -> str:
    """`text` as `spell` writes it, at most `limit` long by `size`, ending in an ellipsis where some was left out.

    `spell` is applied to single characters, so that nothing it makes of one is cut in two.
    """
    # No character takes less than one of any unit, so what is beyond the limit cannot count.
    whole = "".join(map(spell, text[: limit + 1]))
    if len(text) <= limit and size(whole) <= limit:
        return whole
    left = limit - size(end)
    parts: list[str] = []
    for piece in map(spell, text):
        left -= size(piece)
        if left < 0:
            break
        parts.append(piece)
    return "".join(parts) + end
