"""Evaluate recorded events at full speed and print the alerts; needs neither kernel nor server.

Ends with status 1 if a rule raised an error on any event.
"""

import argparse
import sys
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("events", type=Path, metavar="EVENTS", help="recorded events, one JSON object a line")
    parser.add_argument("--rules", nargs="+", metavar="FILE", help="default: the rules that come with the sensor")
    parser.add_argument("--all", action="store_true", help="let every matching rule speak, not only the first")
    parser.add_argument("--json", action="store_true", help="print alerts as JSON lines instead of text")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    from sensor.config import ConfigError, Node
    from sensor.engine import Engine
    from sensor.rulefeed import BUILT_IN, RulesetRefused, compiled, read_files
    from sensor.sources import replay
    from sensor.wording import alert_of, falco_line

    hostname = Node().hostname
    try:
        engine = Engine(compiled(read_files(args.rules or [str(BUILT_IN)])), matching="all" if args.all else "first")
        for event in replay.events(args.events):
            for rule in engine.evaluate(event):
                alert = alert_of(rule, event, hostname)
                sys.stdout.write(falco_line(alert).decode() if args.json else f"{alert.output}\n")
    except (OSError, replay.BadRecording) as error:
        raise ConfigError(str(error)) from None
    except RulesetRefused as error:
        print(error, file=sys.stderr)
        return 2
    for name, count in engine.errors.items():
        print(f"rule {name!r} failed on {count} events", file=sys.stderr)
    return 1 if engine.errors else 0
