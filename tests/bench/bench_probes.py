"""What the probes cost: the traced program's time, the sensor's time for an event, start-up and memory."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sensor.context.processes import Processes
from sensor.probes import doctor
from sensor.probes.ebpf import KernelSource

OPENS = 60_000
ROUNDS = 5

_LOOP = """
import os, sys, time
path, count = sys.argv[1], int(sys.argv[2])
start = time.process_time()
for _ in range(count):
    descriptor = os.open(path, os.O_RDONLY)
    os.read(descriptor, 1)
    os.close(descriptor)
print((time.process_time() - start) / count * 1e6)
"""


def run() -> list[tuple[str, float, str, str]]:
    """Figures of an open+read+close loop without probes, with probes that filter it out, and reported."""
    missing = [finding for finding in doctor() if not finding.ok]
    if missing:
        return [("probes_skipped", 1, "", f"{missing[0].name}: {missing[0].detail}")]
    untraced = _loop()
    with tempfile.TemporaryDirectory() as cache:
        first = _start(KernelSource(None, Processes(), cache=Path(cache)))
        source = KernelSource(None, Processes(), cache=Path(cache))
        second = _start(source, keep=True)
    try:
        source.want(frozenset({"execve"}))
        other = _loop()
        source.want(frozenset({"openat"}))
        unheard = _loop(source)
        decode, count = _decode(source)
        lost = source.lost
    finally:
        source.close()
    ratio = "{:.2f} x untraced".format
    return [
        ("open_untraced", untraced, "µs/call", "the baseline"),
        ("open_other_probes", other, "µs/call", ratio(other / untraced)),
        ("open_reported", unheard, "µs/call", ratio(unheard / untraced)),
        ("event_decoded", decode, "µs/event", f"{decode / untraced:.1f} x one untraced open, {count} events"),
        ("events_lost", lost, "events", f"of {OPENS * ROUNDS} while one process does nothing but open files"),
        ("first_start", first, "s", "compiled, loaded, attached, /proc read"),
        ("second_start", second, "s", f"{second / first:.2f} x the first: compiled probes were kept"),
        ("memory", _resident() / 1024, "MiB", "of this process; the compiler's ended with it"),
    ]


def _start(source: KernelSource, keep: bool = False) -> float:
    """Seconds until the probes run."""
    start = time.perf_counter()
    source.open()
    seconds = time.perf_counter() - start
    if not keep:
        source.close()
    return seconds


def _loop(source: KernelSource | None = None) -> float:
    """Microseconds per open+read+close in another process, median of the rounds; events are read meanwhile."""
    times = []
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", _LOOP, "/etc/hostname", str(OPENS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as loop:
            while source is not None and loop.poll() is None:
                for _event in source.poll(0.05):
                    pass
            output, _ = loop.communicate()
        times.append(float(output))
    return statistics.median(times)


def _decode(source: KernelSource) -> tuple[float, int]:
    """Microseconds the sensor takes to turn a record into a complete event."""
    for _event in source.poll(0):
        pass
    subprocess.run([sys.executable, "-c", _LOOP, "/etc/hostname", "20000"], stdout=subprocess.DEVNULL, check=True)
    start = time.process_time()
    count = sum(1 for _event in source.poll(0.1))
    return (time.process_time() - start) / max(count, 1) * 1e6, count


def _resident() -> int:
    """Resident memory in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
