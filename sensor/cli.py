"""`python -m sensor COMMAND`: finds the commands, reads the arguments, and turns known errors into one line."""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

from sensor import commands
from sensor.config import ConfigError

USAGE = 2
"""Exit status for arguments or settings that cannot be used."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except ConfigError as error:
        print(f"sensor: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # Whoever read us has gone. What is still in the buffer goes nowhere, so that the end is quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    top = argparse.ArgumentParser(prog="python -m sensor", description="Watch this node, check rules, replay events.")
    choices = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in found_commands().items():
        doc = (module.__doc__ or "").strip()
        command = choices.add_parser(
            name, help=doc.partition("\n")[0], description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.arguments(command)
        command.set_defaults(run=module.run)
    return top


def found_commands() -> dict[str, ModuleType]:
    """Every command by its name, which is its file's name."""
    return {
        entry.name.replace("_", "-"): importlib.import_module(f"{commands.__name__}.{entry.name}")
        for entry in pkgutil.iter_modules(commands.__path__)
    }
