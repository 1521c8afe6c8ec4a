"""What `make bench` runs: every `bench_*.py`, each figure as `name value unit`, then its baseline in the same run.

Machines differ and are shared: compare the ratios, not the values.
"""

import argparse
import importlib
import logging
import os
import pkgutil
import sys
import tempfile
from collections.abc import Sequence

import structlog

from tests import bench

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="sensorapp-bench-"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
# A line for each of thousands of deliveries would bury the figures, and cost what is measured.
os.environ.setdefault("LOG_LEVEL", "warning")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

Figure = tuple[str, float, str, str]


def main(arguments: Sequence[str]) -> int:
    names = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name.startswith("bench_")]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"some of: {', '.join(name[6:] for name in names)}")
    only = parser.parse_args(arguments).only
    for name in names:
        if only and name[6:] not in only:
            continue
        figures: list[Figure] = importlib.import_module(f"tests.bench.{name}").run()
        for figure, value, unit, compared in figures:
            print(f"{figure} {value:.4g} {unit}" + (f"  ({compared})" if compared else ""), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
