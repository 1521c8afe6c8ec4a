"""Messages as nobody would write them, made from a number: the same number makes the same message."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from routing.sinks.base import AlertFacts, Message
from sensor.alert import Priority
from tests.routing.sinks import samples

_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz /-_=.:",
    "😀🔥👩‍👩‍👧🏴‍☠️𝕏𐍈",
    "äöüß€ñçø漢字かな한국어עבריתالعربيةไทย",
    "e\u0301\u200b\u200d\u202e\u2028\ufeff\u00a0",
    "\x00\x01\x07\x08\x1b\x7f\t\r\n",
    "<>&\"'`*_~|[](){}#!@\\\\%$^",
)
_PHRASES = ("<!channel>", "<@U123>", "&amp;", "```", "@everyone", "[x](http://evil)", "\r\nBcc: a@b", "</b>", "{{7*7}}")
_NAMES = ("proc.name", "proc.cmdline", "proc.pname", "fd.name", "container.name", "k8s.ns.name", "k8s.pod.name")
LONGEST = 40 * 1024


def _text(rng: random.Random, most: int) -> str:
    """Empty, short, or exactly as long as it may be; of one alphabet or of all."""
    length = rng.choice((0, 1, rng.randint(0, min(most, 80)), rng.randint(0, most), most))
    alphabet = rng.choice((*_ALPHABETS, "".join(_ALPHABETS)))
    some = "".join(rng.choices(alphabet, k=50)) + rng.choice(_PHRASES)
    return (some * (length // len(some) + 1))[:length]


def _value(rng: random.Random) -> Any:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: _text(rng, 300),
        lambda: rng.choice((0, -1, 2**31, 2**63, 2**70, -(2**64))),
        lambda: rng.choice((True, False, None, 0.5, 1e300)),
        lambda: [_text(rng, 20), {"nested": [1, None]}],
    )
    return rng.choice(makers)()


def _fields(rng: random.Random) -> dict[str, Any]:
    if rng.random() < 0.1:
        return {}
    fields = {f"{_text(rng, 20) or 'f'}.{number}": _value(rng) for number in range(rng.choice((0, 3, 30, 300)))}
    for name in _NAMES:
        if rng.random() < 0.7:
            fields[name] = _text(rng, LONGEST if name == "proc.cmdline" else 600)
    fields |= {f"proc.aname[{depth}]": _text(rng, 40) for depth in range(2, rng.randint(2, 12))}
    if rng.random() < 0.8:
        fields["proc.pid"] = rng.choice((1, 4242, 2**70, "4242"))
    return fields


def alert(rng: random.Random) -> AlertFacts:
    return samples.alert(
        uuid=UUID(int=rng.getrandbits(128)),
        time=datetime.fromtimestamp(rng.choice((0, 1_795_435_200.123456, 4_102_444_799)), UTC),
        rule=_text(rng, 250),
        priority=rng.choice(list(Priority)),
        source=rng.choice(("syscall", "k8s_audit", "")),
        hostname=_text(rng, 255),
        output=_text(rng, LONGEST),
        output_fields=_fields(rng),
        tags=tuple(_text(rng, 40) for _ in range(rng.choice((0, 1, 200)))),
    )


def message(number: int) -> Message:
    """The message of a number: any event, one alert or up to a hundred."""
    rng = random.Random(number)
    told = [alert(rng)] * rng.choice((1, 1, 1, 2, 100))
    event = rng.choice(samples.EVENTS)
    words = {"reason": _text(rng, 64), "route": _text(rng, 100)}
    return samples.message(event, *told, **words, alert_count=rng.randint(1, 10**6))
