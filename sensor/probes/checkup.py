"""Whether the probes can run on this machine, and if not what to do: `python -m sensor doctor`."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sensor.probes import attach, btf, syscalls
from sensor.probes.errors import ProbeError

OLDEST_KERNEL = (5, 15)
"""The helper that finds a task's registers came with it."""

_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39
_IMPORT_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `advice` says what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def _judged(name: str, ok: bool, detail: str, advice: str) -> Finding:
    return Finding(name, ok, detail, "" if ok else advice)


def doctor() -> list[Finding]:
    """Look at everything the probes need, in order; the last finding loads a real probe."""
    findings = [machine(), kernel(platform.release()), privileges(_status()), type_information(), tracefs(), bcc()]
    if all(finding.ok for finding in findings):
        findings.append(loading(_load_one))
    return findings


def demand(status: str | None = None) -> None:
    """Raises ProbeError for what is plainly missing, before anything is compiled; `status` as in /proc/PID/status."""
    for finding in (machine(), kernel(platform.release()), privileges(status or _status())):
        if not finding.ok:
            raise ProbeError(f"{finding.name}: {finding.detail}; {finding.advice}")


def machine() -> Finding:
    """The processor: its system call numbers and registers must be known."""
    name = platform.machine()
    return _judged("processor", syscalls.supported_machine(), name, "the probes are written for x86_64 only")


def kernel(release: str) -> Finding:
    """The kernel's version."""
    found = re.match(r"(\d+)\.(\d+)", release)
    version = tuple(map(int, found.groups())) if found else (0, 0)
    advice = f"update to Linux {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer"
    return _judged("kernel", version >= OLDEST_KERNEL, f"Linux {release}", advice)


def privileges(status: str) -> Finding:
    """The effective capabilities in a /proc/PID/status text."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    held = int(found[1], 16) if found else 0
    ok = bool(held >> _CAP_SYS_ADMIN & 1 or (held >> _CAP_BPF & 1 and held >> _CAP_PERFMON & 1))
    return _judged(
        "privileges",
        ok,
        f"uid {os.geteuid()}, capabilities {held:#x}",
        "run as root, or give the service CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
    )


def type_information(path: Path = btf.VMLINUX) -> Finding:
    """The kernel's BTF, which says where struct members lie."""
    advice = "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; every current distribution's is"
    try:
        readable = path.stat().st_size > 0 and os.access(path, os.R_OK)
    except OSError as error:
        return Finding("btf", False, f"{path}: {error.strerror}", advice)
    return _judged("btf", readable, str(path), advice)


def tracefs() -> Finding:
    """tracefs, where tracepoints have their numbers; mounted on demand by who may."""
    place = attach.tracefs()
    if place is not None:
        return Finding("tracefs", True, str(place))
    if os.geteuid() == 0:
        return Finding("tracefs", True, "not mounted; will be when the probes start")
    return Finding(
        "tracefs",
        False,
        "not mounted, or not for this user to read",
        "run as root: mount -t tracefs nodev /sys/kernel/tracing",
    )


def bcc() -> Finding:
    """bcc, tried in a process of its own, because it brings 77 MB of compiler with it."""
    advice = (
        "install it from the distribution: apt-get install python3-bpfcc "
        "(the package `bcc` on the Python index is something else)"
    )
    code = "from sensor.probes.compiler import import_bcc; print(import_bcc().__version__)"
    try:
        tried = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
            cwd=Path(__file__).resolve().parents[2],
        )
    except subprocess.TimeoutExpired:
        return Finding("bcc", False, f"importing it took more than {_IMPORT_SECONDS} s", advice)
    if tried.returncode:
        lines = tried.stderr.strip().splitlines() or ["no reason given"]
        return Finding("bcc", False, lines[-1], advice)
    return Finding("bcc", True, f"version {tried.stdout.strip()}")


def loading(load: Callable[[], None]) -> Finding:
    """Whether the kernel takes a probe: compiler, verifier, ring buffer and lockdown all have their say."""
    try:
        load()
    except ProbeError as error:
        return Finding("loading", False, str(error), "see the reason; a locked-down kernel may refuse all probes")
    return Finding("loading", True, "a probe was compiled, loaded and attached, and its ring buffer mapped")


def _load_one() -> None:
    from sensor.probes.loader import Module

    module = Module(["exit"])
    try:
        module.attach(["exit"])
    finally:
        module.close()


def _status() -> str:
    return Path("/proc/self/status").read_text()
