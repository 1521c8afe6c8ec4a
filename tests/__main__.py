"""What `make test` runs: the checks, then the suite on SQLite, then what touches storage on PostgreSQL and Redis.

Every step runs even when an earlier one failed, so that one run tells everything; the last lines are the verdict.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from tests import services

PYTHON = sys.executable
CHECKS: dict[str, list[str]] = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "mypy", "--no-error-summary"],
    "imports": [PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "settings": [PYTHON, "manage.py", "check", "--fail-level", "WARNING"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
}
PYTEST = [PYTHON, "-m", "pytest", "--quiet"]
# The whole product, the kernel's events of the whole machine and the browser are watched with nothing beside them.
ALONE = "kernel or browser or product"
PARALLEL = [*PYTEST, "--numprocesses", "2", "--dist", "worksteal", "-m", f"not ({ALONE})"]
# What does not touch the database or the broker proves nothing more on a second pair of them.
ON_POSTGRESQL = ["tests/routing", "tests/sensorapp", "tests/e2e", "tests/chaos"]


def step(name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> bool:
    """Runs one step and prints how it went; True where it passed."""
    print(f"== {name}", flush=True)
    started = time.monotonic()
    passed = subprocess.run(command, env={**os.environ, **(env or {})}).returncode == 0
    print(f"== {name}: {'passed' if passed else 'FAILED'} in {time.monotonic() - started:.1f} s", flush=True)
    return passed


def suites(where: str, arguments: Sequence[str], env: Mapping[str, str] | None = None) -> dict[str, bool]:
    """The parallel suite, then what runs alone; with `arguments`, pytest with just these."""
    if arguments:
        return {f"tests on {where}": step(f"tests on {where}", [*PYTEST, *arguments], env)}
    folders = [] if env is None else ON_POSTGRESQL
    steps = {f"suite on {where}": PARALLEL, f"product on {where}": [*PYTEST, "-m", ALONE]}
    return {name: step(name, [*command, *folders], env) for name, command in steps.items()}


def on_postgresql(arguments: Sequence[str]) -> dict[str, bool]:
    """The suites with private servers."""
    with services.postgresql() as database_url, services.redis_server() as redis_url:
        return suites("PostgreSQL and Redis", arguments, {"DATABASE_URL": database_url, "REDIS_URL": redis_url})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("--only", choices=["checks", "sqlite", "postgresql"], help="run one part")
    chosen, arguments = parser.parse_known_args()
    results: dict[str, bool] = {}
    if chosen.only in (None, "checks"):
        results |= {name: step(name, command) for name, command in CHECKS.items()}
    if chosen.only in (None, "sqlite"):
        results |= suites("SQLite", arguments)
    if chosen.only in (None, "postgresql"):
        results |= on_postgresql(arguments)
    failed = [name for name, passed in results.items() if not passed]
    print(
        f"{len(results) - len(failed)} of {len(results)} steps passed",
        *(f"FAILED: {name}" for name in failed),
        sep="\n",
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
