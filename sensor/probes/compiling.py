"""Ask `sensor.probes.compiler` for the probes' bytecode, from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from sensor.probes.bytecode import Bytecode
from sensor.probes.errors import ProbeError

log = structlog.get_logger(__name__)

SECONDS = 120
"""Compiling takes a second or two; a busy machine may need many times that."""

_SAID = 2000
"""Characters of the compiler's words that go into an error."""

_ADVICE = {
    "ModuleNotFoundError": "install it with: apt-get install python3-bpfcc",
    "ImportError": "reinstall it with: apt-get install --reinstall python3-bpfcc",
    "BtfError": "the probes need a kernel built with CONFIG_DEBUG_INFO_BTF=y (5.15 or newer)",
}


def compile_apart(common: Path, probes: Sequence[Path], defines: Mapping[str, int]) -> Bytecode:
    """The bytecode of these C files; raises ProbeError with the compiler's reason and what to do."""
    request = {"common": str(common), "probes": list(map(str, probes)), "defines": dict(defines)}
    root = str(Path(__file__).resolve().parents[2])
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    try:
        child = subprocess.run(
            [sys.executable, "-m", "sensor.probes.compiler"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *inherited])},
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"compiling the probes took more than {SECONDS} s; try again") from error
    except OSError as error:
        raise ProbeError(
            f"the compiler cannot be started: {sys.executable}: {error.strerror}; let the sensor's user run it"
        ) from error
    said = child.stderr.decode(errors="replace").strip()[-_SAID:]
    if child.returncode == 0:
        if said:
            log.warning("probe_compiler_said", text=said)
        return Bytecode.from_json(child.stdout)
    try:
        answer = json.loads(child.stdout)
        reason, advice = answer["message"], _ADVICE.get(answer["error"], said)
    except (ValueError, KeyError):
        reason, advice = f"the compiler ended with status {child.returncode}", said
    raise ProbeError(f"the probes do not compile: {reason}; {advice}".rstrip("; "))
