"""Compile and load the probes in a process of its own, and hand the descriptors over.

`python -m sensor.probes.compiler FD` reads a request (JSON) on stdin, answers on the unix socket FD and
ends. bcc brings LLVM with it, about 77 MB of memory that the sensor never needs again once the programs
are in the kernel; so only this short-lived process imports bcc.
"""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from sensor.probes import btf, kernel, layout, schema

DIST_PACKAGES = "/usr/lib/python3/dist-packages"
"""Where the distribution's python3-bpfcc puts bcc; last on the path, so that it shadows nothing of ours."""

MAPS = ("events", "lost", "wanted")


def import_bcc() -> Any:
    """The bcc module; raises ImportError or OSError (its library is missing) with the reason."""
    if DIST_PACKAGES not in sys.path:
        sys.path.append(DIST_PACKAGES)
    import bcc

    return bcc


def load(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Compile what the request names.

    The answer's `maps` and `programs` name the descriptors, in order; `refused` says, by function, what
    the kernel's verifier would not load. Raises ImportError, BtfError, SchemaError or OSError, and
    RuntimeError if the C text does not compile.
    """
    probes = schema.read(Path(request["common"]), [Path(path) for path in request["probes"]])
    text = probes.text()
    flags = layout.flags(btf.vmlinux(), schema.offsets_used(text))
    flags += [f"-DTYPE_{event.name}={event.number}" for event in probes.events]
    flags += [f"-D{name}={value}" for name, value in request["defines"].items()]
    bcc = import_bcc()
    with tempfile.TemporaryDirectory(prefix="probes-") as folder:
        kernel.write_headers(Path(folder))
        os.environ["BCC_KERNEL_SOURCE"] = folder
        try:
            module = bcc.BPF(text=text, cflags=["-Wno-everything", *flags])
        except Exception as error:  # bcc raises the bare class and prints the compiler's words on stderr
            raise RuntimeError(str(error)) from error
    descriptors = [bcc.libbcc.lib.bpf_table_fd(module.module, name.encode()) for name in MAPS]
    loaded: list[str] = []
    refused: dict[str, str] = {}
    for program in probes.programs:
        kind = bcc.BPF.RAW_TRACEPOINT if program.raw else bcc.BPF.TRACEPOINT
        try:
            descriptors.append(module.load_func(program.function.encode(), kind).fd)
        except Exception as error:  # as above; one program refused must not take the others along
            refused[program.function] = str(error)
        else:
            loaded.append(program.function)
    return {"maps": list(MAPS), "programs": loaded, "refused": refused}, descriptors


def main() -> None:
    """Answer one request; an error is an answer too: {"error": class name, "message": text}."""
    with socket.socket(fileno=int(sys.argv[1])) as answer:
        try:
            reply, descriptors = load(json.load(sys.stdin))
        except (ImportError, OSError, RuntimeError, btf.BtfError, schema.SchemaError) as error:
            reply, descriptors = {"error": type(error).__name__, "message": str(error)}, []
        # SCM_MAX_FD is 253; the probes need a few dozen.
        socket.send_fds(answer, [json.dumps(reply).encode()], descriptors)
    sys.stdout.flush()
    sys.stderr.flush()
    # bcc's own clean-up at exit would only take time.
    os._exit(0)


if __name__ == "__main__":
    main()
