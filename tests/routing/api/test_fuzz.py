"""Whatever is posted is answered by a status of the table, and nothing valid beside it is lost or stored twice.

FUZZ_SEED=number tries other bodies than the usual ones.
"""

import copy
import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from routing.models import Alert
from sensor.alert import new_uuid
from tests import build
from tests.asgi import Client

SEED = os.environ.get("FUZZ_SEED", "20261123")
TIME = "2026-11-23T12:00:00Z"
TIME_NS = 1_795_435_200_000_000_000
ANSWERS = {200, 202, 400, 413, 415, 422}
"""Of the table in docs/api.md, what a body alone can be answered."""
MARK = re.compile(r"<(\d+-\d+)>")
DEEP: Any = None
for _ in range(260):
    DEEP = [DEEP]
HOSTILE = [
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63,
        -(10**40),
        1e308,
        "",
        "\0",
        "\ud800",
        "\udfff\ud800 x",
        "é😀",
        "\x7f",
        "a" * 9_000,
    ),
    *([], {}, [[]], {"": {"": ""}}, DEEP, {"a": DEEP}, ["x"] * 200, {f"f{number}": "v" for number in range(600)}),
    *("0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "yesterday", "1.0", "firing", "P1"),
    *("<raw 1e999>", "<raw -1E+400>", "<raw 99999999999999999999999>", "<raw -0.0>", "<raw 1E-400>"),
]
HUGE = ["x" * (1 << 20), "\0" * (1 << 18), {f"field.{number}": "v" for number in range(5_000)}]
RAW = re.compile(r'"<raw ([^>"]+)>"')
BYTES = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\xc0\x80",
    b"1e999",
    b"NaN",
    b"null",
]
BYTES += [b"\\", b"\r", b"\x00", b"-", b"\xef\xbb\xbf", b"[" * 2_000, b'{"a":' * 2_000]


@dataclass
class Post:
    """A request, and the marks of the alerts in it that must be stored exactly once."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    certain: list[str] = field(default_factory=list)


def native(mark: str, chance: random.Random) -> dict[str, Any]:
    """As our sensors post it, as falcosidekick does, and as Falco does."""
    uuid = chance.choice(
        [str(new_uuid(TIME_NS)), f"{chance.getrandbits(32):08x}-0000-4000-8000-{chance.getrandbits(48):012x}", None]
    )
    return build.posted(time=TIME, output=mark, **({"uuid": uuid} if uuid else {}))


def fired(mark: str, chance: random.Random) -> dict[str, Any]:
    """One of Alertmanager's."""
    return {
        "status": chance.choice(["firing", "resolved"]),
        "labels": {"alertname": "a", "severity": "critical", "instance": "i:1", "namespace": "n"},
        "annotations": {"summary": mark},
        "startsAt": TIME,
        "endsAt": TIME,
        "fingerprint": mark,
    }


def webhook(mark: str, chance: random.Random) -> dict[str, Any]:
    return {"version": "4", "receiver": "r", "alerts": [fired(mark, chance)]}


def event(mark: str, chance: random.Random) -> dict[str, Any]:
    data: Any = chance.choice([{"message": mark, "n": 1}, mark, build.posted(output=mark)])
    return {"specversion": "1.0", "id": mark, "source": "/s", "type": "t", "time": TIME, "data": data}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def spoiled(item: dict[str, Any], chance: random.Random) -> Any:
    """The item with something in it removed, renamed, or of another kind; it is still JSON."""
    if chance.random() < 0.05:
        return chance.choice(HOSTILE)
    item = copy.deepcopy(item)
    for _ in range(chance.randint(1, 3)):
        container, key = chance.choice(list(places(item)) or [(item, "x")])
        value = chance.choice(HUGE) if chance.random() < 0.002 else copy.deepcopy(chance.choice(HOSTILE))
        match chance.randrange(4):
            case 0 if isinstance(container, dict):
                container.pop(key, None)
            case 1 if isinstance(container, dict):
                container[chance.choice(["\0", "\ud800", "uuid", "alerts", "specversion", "rule", ""])] = value
            case _:
                container[key] = value
    return item


def text(value: Any, chance: random.Random) -> str:
    """The JSON of a value, with numbers that Python would not write, and sometimes a key that is there twice."""
    spelled = RAW.sub(r"\1", json.dumps(value, ensure_ascii=chance.random() < 0.9))
    if chance.random() < 0.02 and spelled.startswith('{"'):
        spelled = spelled[0] + '"time":"0000","data":[],' + spelled[1:]
    return spelled


def bytes_of(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def damaged(body: bytes, chance: random.Random) -> bytes:
    """With a few bytes changed anywhere."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(len(changed) + 1)
        changed[at : at + chance.randrange(4)] = chance.choice([*BYTES, bytes([chance.randrange(256)])])
    return bytes(changed)


def array(number: int, chance: random.Random) -> Post:
    """An array, or a webhook's or a batch's, in which some items are spoiled and the others must be stored."""
    make, wrap, kind = chance.choice(
        [
            (native, "[%s]", "application/json"),
            (event, "[%s]", "application/json"),
            (event, "[%s]", "application/cloudevents-batch+json"),
            (webhook, "[%s]", "application/json"),
            (fired, '{"version":"4","alerts":[%s]}', "application/json"),
        ]
    )
    post = Post(b"", {"content-type": kind})
    items = []
    for index in range(chance.randint(1, 6)):
        mark = f"<{number}-{index}>"
        item = make(mark, chance)
        if chance.random() < 0.4:
            items.append(text(spoiled(item, chance), chance))
        else:
            items.append(json.dumps(item))
            post.certain.append(mark)
    post.body = bytes_of(wrap % ",".join(items))
    return post


def lines(number: int, chance: random.Random) -> Post:
    """Lines of all formats, some of them damaged to the byte; the others must be stored."""
    post = Post(b"")
    found = []
    for index in range(chance.randint(2, 6)):
        mark = f"<{number}-{index}>"
        item = chance.choice([native, webhook, event])(mark, chance)
        line = bytes_of(json.dumps(item))
        if chance.random() < 0.4:
            line = damaged(line, chance) if chance.random() < 0.7 else bytes_of(text(spoiled(item, chance), chance))
        else:
            post.certain.append(mark)
        found.append(line)
    if not post.certain:
        post.certain.append(f"<{number}-9>")
        found.append(bytes_of(json.dumps(native(post.certain[0], chance))))
    post.body = b"\n".join(found)
    return post


def binary(number: int, chance: random.Random) -> Post:
    """An event in headers; where one of them is strange, the answer is all that is asked for."""
    mark = f"<{number}-0>"
    told = event(mark, chance)
    headers = {f"ce-{name}": str(value) for name, value in told.items() if name != "data"}
    post = Post(bytes_of(json.dumps(told["data"])), headers, [mark])
    if chance.random() < 0.6:
        post.certain = []
        headers[chance.choice(list(headers))] = chance.choice(
            ["", "%00", "%FF", "%", '"', '"\\', "\xff", "1.0", "a" * 5_000]
        )
    if chance.random() < 0.3:
        post.certain = []
        headers["content-type"] = chance.choice(["text/plain", "application/cloudevents+avro", "x", "", "a/b+json;;"])
    if chance.random() < 0.3:
        post.certain = []
        post.body = damaged(post.body, chance)
    return post


def wreck(number: int, chance: random.Random) -> Post:
    """A body damaged anywhere, of which nothing is known but that it must be answered."""
    post = array(number, chance)
    return Post(damaged(post.body, chance), post.headers)


def packed(post: Post, chance: random.Random) -> Post:
    """The same compressed, or compressed and damaged."""
    squeezed = gzip.compress(post.body, 1, mtime=0)
    headers = post.headers | {"content-encoding": "gzip"}
    if chance.random() < 0.5:
        return Post(squeezed, headers, post.certain)
    return Post(chance.choice([squeezed[: chance.randrange(len(squeezed))], damaged(squeezed, chance)]), headers)


KINDS: list[Callable[[int, random.Random], Post]] = [array, array, lines, lines, binary, wreck]


def made(number: int) -> Post:
    chance = random.Random(f"{SEED}-{number}")
    post = chance.choice(KINDS)(number, chance)
    if chance.random() < 0.05:
        post.headers["idempotency-key"] = f"key {number}"
    return packed(post, chance) if chance.random() < 0.1 else post


def post_all(server: Client, count: int) -> None:
    """Posts that many bodies, each third one twice, many at a time; then looks at what is stored."""
    build.token("sensor", "sa_test")

    def posted(number: int) -> tuple[int, list[str]]:
        post, accepted, statuses = made(number), 0, set()
        for _ in range(1 + (number % 3 == 0)):
            path = "/ingest/sa_test/" if number % 2 else "/api/v1/alerts"
            answer = server.request("POST", path, post.body, {"authorization": "Bearer sa_test", **post.headers})
            assert answer.status in ANSWERS, (number, answer.status, answer.body, post)
            assert not post.certain or answer.status < 300, (number, answer.status, answer.body, post)
            statuses.add(answer.status)
            accepted += answer.json().get("accepted", 0)
        assert len(statuses) == 1, (number, statuses, "a repeat is answered as the first")
        return accepted, post.certain

    with ThreadPoolExecutor(24) as pool:
        results = list(pool.map(posted, range(count)))
    stored = Counter(
        mark for output in Alert.objects.values_list("output", flat=True) for mark in set(MARK.findall(output))
    )
    certain = [mark.strip("<>") for _, marks in results for mark in marks]
    assert len(certain) > count
    wrong = {mark: stored[mark] for mark in certain if stored[mark] != 1}
    assert wrong == {}, "stored not exactly once"
    assert Alert.objects.count() == sum(accepted for accepted, _ in results)


@pytest.fixture(autouse=True)
def unlimited(settings) -> None:
    settings.INGEST_RATE = settings.INGEST_MAX_BACKLOG = 0


def test_two_thousand_mutated_bodies_lose_no_neighbour(server: Client):
    post_all(server, 2_000)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_fifty_thousand_mutated_bodies_lose_no_neighbour(server: Client):
    post_all(server, 50_000)
