"""What one posted JSON value must be to become an alert, and the row it becomes.

What an attacker can influence (output, field values, names) never costs an alert: it is cut or cleaned and
the alert says so under `CUT`. Rejected is only what cannot be told: no rule, no priority, no time.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import orjson

from routing import identity
from sensor.alert import Priority

CUT = "sensorapp.cut"
"""Name of the output field that lists what was cut."""
MAX_OUTPUT = 32_768
"""Characters of `output`."""
MAX_STRINGS = (8_192, 1_024, 128)
"""Characters of any string in `output_fields`: the first limit, and the stricter ones where that was not enough."""
MAX_FIELDS = 512
MAX_FIELDS_BYTES = 256 * 1024
"""JSON of `output_fields` after cutting; an alert beyond it is rejected."""
DEEPEST = 300
"""Levels to which values are cleaned: more than orjson writes (254) and an envelope has, fewer than Python calls."""
MAX_TAGS = 64
COLUMNS = {"rule": 255, "source": 64, "hostname": 255}
MAX_HELD_BACK = 2_147_483_647
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_YEAR = 2261
"""The last whole year whose nanoseconds fit a signed 64-bit number."""
_END_OF_TIME = int((datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - UNIX_EPOCH).total_seconds())

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_AT = re.compile(r"^(.*?) - at `\$\.?(.*?)`$")


class Posted(msgspec.Struct):
    """An alert as our sensors, Falco and falcosidekick write it; unknown keys are left out."""

    time: str
    rule: str
    priority: str
    output: str | None = None
    source: str | None = None
    hostname: str | None = None
    output_fields: dict[str, Any] | None = None
    tags: list[str] | None = None
    uuid: str | None = None
    held_back: int | None = None


class Told(Posted):
    """An alert that came in another format; `known_by` is what is the same whenever that format tells it again."""

    known_by: list[Any] = []


class Sender(msgspec.Struct, frozen=True):
    """Whose token a post came with: the token's id, name, role and the one node it speaks for (may be empty)."""

    token: int
    name: str
    role: str
    hostname: str


class Row(msgspec.Struct, gc=False):
    """A valid alert, ready to be stored."""

    uuid: UUID
    time_ns: int
    rule: str
    priority: int
    source: str
    hostname: str
    output: str
    output_fields: str
    """JSON, as is `tags`."""
    tags: str
    held_back: int
    fingerprint: str
    sender: Sender

    @property
    def time(self) -> datetime:
        return UNIX_EPOCH + timedelta(microseconds=self.time_ns // 1000)

    @property
    def own_node(self) -> bool:
        """Whether a sensor's token told it about the node that the token is bound to."""
        return self.sender.role == "sensor" and self.hostname != "" and self.sender.hostname == self.hostname


class Rejected(Exception):
    """A value that cannot become an alert: which field, and why, in words for whoever sent it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def admit(value: Posted | object, sender: Sender, key: tuple[str, int] | None = None) -> Row:
    """The row of one posted value: a `Posted`, plain JSON data, or why its format cannot tell it. Raises Rejected.

    `key` is the request's Idempotency-Key and the value's index: the identity where the alert has none.
    """
    posted = value if isinstance(value, Posted) else typed(value)
    cut: list[str] = []
    rule = _column("rule", posted.rule, cut)
    if not rule:
        raise Rejected("rule", "must not be empty")
    priority = _priority(posted.priority)
    time_ns = _nanoseconds(posted.time)
    source = _column("source", posted.source or "syscall", cut)
    hostname = _column("hostname", posted.hostname or "", cut)
    output = _storable(posted.output or "", MAX_OUTPUT, "output", cut)
    tags = _tags(posted.tags or [], cut)
    fields, spelled = _stored_fields(posted.output_fields or {}, cut)
    if posted.uuid:
        uuid = identity.fitting(_given_uuid(posted.uuid), time_ns)
    elif isinstance(posted, Told):
        uuid = identity.made(time_ns, [sender.token, "told", *posted.known_by])
    elif key is not None:
        uuid = identity.made(time_ns, [sender.token, "key", *key])
    else:
        uuid = identity.made(time_ns, [sender.token, rule, priority, source, hostname, output, fields, tags])
    return Row(
        uuid=uuid,
        time_ns=time_ns,
        rule=rule,
        priority=priority,
        source=source,
        hostname=hostname,
        output=output,
        output_fields=spelled.decode(),
        tags=tags,
        held_back=min(max(posted.held_back or 0, 0), MAX_HELD_BACK),
        fingerprint=identity.fingerprint(source, rule, hostname, fields),
        sender=sender,
    )


def clean(value: Any, depth: int = 0) -> Any:
    """Plain JSON data that both databases keep: U+0000 and lone surrogates become U+FFFD, numbers beyond
    64 bits become text. Below `DEEPEST` it stays as it is: what is nested so deeply is rejected, and alone."""
    match value:
        case str():
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case bool() | None:
            return value
        case int():
            return value if -(1 << 63) <= value < 1 << 63 else str(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case dict():
            return value if depth == DEEPEST else {clean(key): clean(item, depth + 1) for key, item in value.items()}
        case list():
            return value if depth == DEEPEST else [clean(item, depth + 1) for item in value]
        case _:
            return clean(str(value))


def typed(value: object, kind: type[Posted] = Posted) -> Posted:
    """Plain JSON data as a `Posted`; a Rejected is raised as it is. Raises Rejected."""
    if isinstance(value, Rejected):
        raise value
    if not isinstance(value, dict):
        raise Rejected("", "must be a JSON object")
    for name in ("rule", "priority", "time"):
        if value.get(name) is None:
            raise Rejected(name, "is missing")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        raise Rejected(found[2] if found else "", found[1] if found else str(error)) from None


def _column(name: str, text: str, cut: list[str]) -> str:
    return _storable(text, COLUMNS[name], name, cut)


def _storable(text: str, limit: int, name: str, cut: list[str]) -> str:
    if len(text) <= limit and text.isascii() and "\0" not in text:  # Nearly always.
        return text
    if len(text) > limit:
        cut.append(name)
        text = text[: limit - 1] + "…"
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


@lru_cache(maxsize=256)
def _named(name: str) -> int:
    return int(Priority.named(name))


def _priority(name: str) -> int:
    try:
        return _named(name[:32])
    except ValueError as error:
        raise Rejected("priority", str(error)) from None


def _nanoseconds(text: str) -> int:
    """RFC 3339 as nanoseconds since the epoch; digits beyond the ninth are left out."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise Rejected("time", "must be RFC 3339, like 2026-11-23T12:34:56.123456789Z")
    whole, fraction, zone = found.groups()
    try:
        since = datetime.fromisoformat(whole + zone.upper()) - UNIX_EPOCH
    except (ValueError, OverflowError) as error:
        raise Rejected("time", f"is no time: {error}") from None
    seconds = since.days * 86_400 + since.seconds
    nanoseconds = seconds * 1_000_000_000 + int((fraction or "0")[:9].ljust(9, "0"))
    if not 0 <= seconds < _END_OF_TIME:
        raise Rejected("time", f"must be between the years 1970 and {LAST_YEAR}")
    return nanoseconds


def _tags(tags: list[str], cut: list[str]) -> str:
    if not tags:
        return "[]"
    if len(tags) > MAX_TAGS:
        cut.append("tags")
    return orjson.dumps([_storable(tag, 255, "tags", cut) for tag in tags[:MAX_TAGS]]).decode()


def _stored_fields(fields: dict[str, Any], cut: list[str]) -> tuple[dict[str, Any], bytes]:
    """The fields, cleaned and cut where that is needed, and their JSON.

    Most alerts are short and clean: one look decides. orjson refuses what is beyond 64 bits, not UTF-8, or
    deeper than its limit; only the last is still refused after cleaning.
    """
    try:
        spelled = orjson.dumps(fields)
        if len(spelled) <= MAX_STRINGS[0] and not cut and rb"\u0000" not in spelled:
            return fields, spelled
    except (TypeError, RecursionError):
        spelled = b""
    try:
        fields = clean(fields)
        for limit in MAX_STRINGS:
            shortened = _shortened(fields, limit, cut)
            spelled = orjson.dumps(shortened)
            if len(spelled) <= MAX_FIELDS_BYTES:
                return shortened, spelled
    except (TypeError, RecursionError):
        raise Rejected("output_fields", "is nested too deeply") from None
    raise Rejected("output_fields", f"is larger than {MAX_FIELDS_BYTES // 1024} KiB")


def _shortened(fields: dict[str, Any], limit: int, cut: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        if len(kept) == MAX_FIELDS:
            cut.append("output_fields")
            break
        if isinstance(value, str) and len(value) > limit:
            cut.append(name)
            value = value[: limit - 1] + "…"
        kept[name] = value
    if cut:
        kept[CUT] = sorted(set(cut))
    return kept


def _given_uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected("uuid", "must be a UUID") from None
