"""Which alert this is (its uuid), and which alerts tell of the same thing (their fingerprint). Pure."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

STABLE_FIELDS = {
    "syscall": (
        "proc.name",
        "proc.exepath",
        "user.name",
        "user.uid",
        "container.image.repository",
        "k8s.ns.name",
    ),
    "k8s_audit": ("ka.user.name", "ka.verb", "ka.target.resource", "ka.target.namespace"),
    "aws_cloudtrail": ("ct.user", "ct.name", "ct.region"),
    "github": ("github.user", "github.repo"),
    "okta": ("okta.actor.id", "okta.evt.type"),
    "alertmanager": ("alertmanager.fingerprint",),
    "cloudevents": ("ce.source", "ce.subject"),
}
"""By event source, what stays the same when the same thing happens again: no pid, no container id, no pod name
(they change with every restart), no ports, no arguments."""
NEAR_MS = 60_000
"""How far the time in an identity may be from the alert's, in milliseconds; searches by time look so much further."""
_ALL_FIELDS = tuple(name for names in STABLE_FIELDS.values() for name in names)
_NUMBER = re.compile(r"\d+")


def fingerprint(source: str, rule: str, hostname: str, fields: Mapping[str, Any]) -> str:
    """Hash of source, rule and stable fields: what an acknowledgement or a comment belongs to.

    A container's workload is its image and namespace, wherever it runs; what runs on the host itself is the
    host's own. Of a file only the directory counts, its numbers left out, so that random names and pids in
    /proc do not make every alert a new thing.
    """
    stable = [source, rule]
    for value in map(fields.get, STABLE_FIELDS.get(source, _ALL_FIELDS)):
        stable.append(value if type(value) is str else str(value) if isinstance(value, int) else "")
    if not (fields.get("container.image.repository") or fields.get("k8s.ns.name")):
        stable.append(hostname)
    file = fields.get("fd.name")
    if isinstance(file, str) and file.startswith("/"):
        stable.append(_NUMBER.sub("0", file.rpartition("/")[0]))
    return hashlib.blake2b("\0".join(stable).encode(), digest_size=32).hexdigest()


def fitting(uuid: UUID, time_ns: int) -> UUID:
    """The identity of an alert that came with one: itself if it is of version 7 and was made when the alert was.

    What is ordered by identity is then ordered by time, and an alert lies in the day that it tells of. From any other
    (Falco gives random ones) an identity is made, for a repeat the same.
    """
    near = abs((uuid.int >> 80) - time_ns // 1_000_000) <= NEAR_MS
    return uuid if uuid.version == 7 and near else made(time_ns, ["uuid", uuid.hex])


def made(time_ns: int, said: object) -> UUID:
    """A version 7 UUID made from what was said: the same for a repeat, so that it meets its first copy.

    Its time is the alert's, so that both also meet in the same day's storage. `said` is JSON data.
    """
    spelled = orjson.dumps([time_ns, said], option=orjson.OPT_SORT_KEYS)
    digest = int.from_bytes(hashlib.blake2b(spelled, digest_size=10).digest(), "big")
    value = (time_ns // 1_000_000 & (1 << 48) - 1) << 80 | digest
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
