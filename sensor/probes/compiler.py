"""Compile the probes in a process of its own.

`python -m sensor.probes.compiler` reads a request (JSON) on stdin, prints the bytecode and ends. bcc brings
LLVM with it, about 77 MB of memory that the sensor never needs again; so only this short-lived process
imports bcc.
"""

import ctypes
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from sensor.probes import btf, kernel, layout, schema
from sensor.probes.bytecode import Bytecode, Map, renumbered

DIST_PACKAGES = "/usr/lib/python3/dist-packages"
"""Where the distribution's python3-bpfcc puts bcc; last on the path, so that it shadows nothing of ours."""

MAPS = ("events", "lost", "wanted", "scratch")
"""Every map of bpf/common.h, in the order that the bytecode numbers them."""


def import_bcc() -> Any:
    """The bcc module; raises ImportError or OSError (its library is missing) with the reason."""
    if DIST_PACKAGES not in sys.path:
        sys.path.append(DIST_PACKAGES)
    import bcc

    return bcc


def compiled(request: dict[str, Any]) -> Bytecode:
    """Compile what the request names.

    Raises ImportError, BtfError, SchemaError or OSError, and RuntimeError if the C text does not compile.
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
            module = bcc.BPF(text=text, cflags=["-Wno-everything", *flags]).module
        except Exception as error:  # bcc raises the bare class and prints the compiler's words on stderr
            raise RuntimeError(str(error)) from error
    lib = bcc.libbcc.lib
    # bcc has created the maps already, and its instructions carry their descriptors.
    descriptors = [lib.bpf_table_fd(module, name.encode()) for name in MAPS]
    programs = {}
    for program in probes.programs:
        name = program.function.encode()
        code = ctypes.string_at(lib.bpf_function_start(module, name), lib.bpf_function_size(module, name))
        programs[program.function] = renumbered(code, descriptors.index)
    return Bytecode(tuple(_map(name, fd) for name, fd in zip(MAPS, descriptors, strict=True)), programs)


def _map(name: str, fd: int) -> Map:
    """What the kernel says of a map of ours."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    facts = dict(line.split(":\t", 1) for line in lines)
    names = ("map_type", "key_size", "value_size", "max_entries", "map_flags")
    return Map(name, *(int(facts[key], 0) for key in names))


def main() -> int:
    """Answer one request; an error is an answer too: {"error": class name, "message": text}, and status 1."""
    try:
        answer = compiled(json.load(sys.stdin)).to_json()
    except (ImportError, OSError, RuntimeError, btf.BtfError, schema.SchemaError) as error:
        answer = json.dumps({"error": type(error).__name__, "message": str(error)}).encode()
        status = 1
    else:
        status = 0
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    # bcc's own clean-up at exit would only take time.
    os._exit(main())
