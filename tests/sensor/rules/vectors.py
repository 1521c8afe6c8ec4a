"""Finds the conformance vectors and the real rule files, and makes events of what the vectors describe."""

import json
import os
from collections import Counter
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from sensor.event import Event, Fd, Process
from sensor.fields import SYSCALL, Catalog, Field, Type
from sensor.fields.flags import OPEN

ROOT = Path(__file__).parents[3]
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: a machine that is busy with something else is no failure of ours."""

PASSED: Counter[str] = Counter()
"""Cases that passed, by file; printed at the end of the run."""

CONFORMANCE = Path(os.environ.get("CONFORMANCE_DIR", ROOT.parent / "shared/conformance"))
RULES = Path(os.environ.get("RULES_DIR", ROOT.parent / "shared/rules"))


@cache
def read(name: str) -> list[dict[str, Any]]:
    """The cases of one file; skips the whole test module, loudly, where the vectors are not there."""
    path = CONFORMANCE / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"NO CONFORMANCE VECTORS: {path} is missing; set CONFORMANCE_DIR", allow_module_level=True)
    return json.loads(path.read_text())["cases"]


def rule_file(name: str) -> str:
    """A real rule file."""
    path = RULES / name
    if not path.is_file():
        pytest.skip(f"NO RULE FILES: {path} is missing; set RULES_DIR", allow_module_level=True)
    return path.read_text()


def constant(name: str, kind: Type, value: Any) -> Field:
    return Field(name=name, type=kind, doc="", extract=lambda event: value)


MOCK = Catalog(
    "mock",
    {
        one.name: one
        for one in (
            constant("c.true", Type.CHARBUF, "1"),
            constant("c.false", Type.CHARBUF, "0"),
            constant("c.singlequote", Type.CHARBUF, "hello 'quoted'"),
            constant("c.doublequote", Type.CHARBUF, 'hello "quoted"'),
            constant("c.buffer", Type.BYTEBUF, b"data"),
            constant("sample.is_open", Type.UINT64, 0),
        )
    },
    type_field="evt.type",
)
WITH_MOCK = SYSCALL.joined("mock+syscall", MOCK)


def failed_getcwd() -> Event:
    """The event most of the vectors are about: getcwd by pid 1, `init`."""
    return Event(
        type="getcwd",
        time=1_700_000_000_000_000_000,
        num=1,
        cpu=1,
        res=0,
        args={"res": 0, "path": "/test/dir"},
        proc=Process(pid=1, tid=1, name="init", exe="/sbin/init", exepath="/sbin/init", args=[]),
    )


def nothing_known() -> SimpleNamespace:
    """An event of which no field can be read."""
    return SimpleNamespace(**dict.fromkeys(Event.__dataclass_fields__))


def event_of(arguments: list[Any]) -> Event | None:
    """An event as the vectors describe it: (time, thread, kind, number of parameters, parameters…)."""
    kind, values = str(arguments[2]), arguments[4:]
    if kind == "PPME_SYSCALL_OPEN_X":
        descriptor, name, flags = number(values[0]), values[1], open_flags(values[2])
        return Event(
            type="open",
            time=1,
            num=1,
            res=descriptor,
            args={"fd": descriptor, "name": name, "flags": flags},
            proc=Process(pid=1, name="init", cwd="/root/"),
            fd=Fd(num=descriptor, typechar="f", name=name, nameraw=name),
        )
    if kind == "PPME_SYSCALL_EPOLL_CREATE_X":
        return Event(type="epoll_create", time=1, num=1, cpu=1, res=-22, args={"res": -22, "size": 0})
    if kind == "PPME_SOCKET_CONNECT_X":
        server, client = "2001:4860:4860::8888", "::1"
        # The vectors' local address is the server's: that end of the connection is this machine.
        return Event(
            type="connect",
            time=1,
            num=1,
            res=0,
            args={"res": 0},
            fd=Fd(num=3, typechar="6", cip=client, sip=server, cport=1, sport=443, l4proto="tcp", is_server=True),
        )
    return None


def number(value: Any) -> int:
    """`(int64_t)(-1)` and the like."""
    return value if isinstance(value, int) else int(str(value).rpartition(")")[2] or str(value).split("(")[-1][:-1])


def open_flags(value: Any) -> int:
    """`PPM_O_RDWR|PPM_O_CREAT` as the kernel's flags."""
    names = {"RDONLY": 0, "WRONLY": 1, "RDWR": 2, "NONE": 0, "CREAT": OPEN["O_CREAT"]}
    if isinstance(value, int):
        return value
    return sum(names[part.removeprefix("PPM_O_")] for part in value.split("|"))
