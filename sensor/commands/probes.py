"""List the probes: what each one reports to the rules."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    import orjson

    from sensor.probes.loader import probe_names, read_schema

    schema = read_schema(probe_names())
    events = {name: sorted({event.name for event in schema.events if event.probe == name}) for name in probe_names()}
    if args.json:
        sys.stdout.write(orjson.dumps(events, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    for name, types in events.items():
        print(f"{name:12} {' '.join(types)}")
    return 0
