"""List the fields that conditions and outputs can use, with their types and meanings."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", help="only fields whose name starts so, for example proc.")
    parser.add_argument("--source", default="syscall", help="the event source")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    import orjson

    from sensor.config import ConfigError
    from sensor.fields import ALL

    if args.source not in ALL:
        raise ConfigError(f"there is no event source {args.source!r}; use one of {', '.join(ALL)}")
    fields = [field for name, field in sorted(ALL[args.source].fields.items()) if name.startswith(args.prefix)]
    if args.json:
        listed = [
            {"name": one.name, "type": one.type.name, "list": one.is_list, "argument": one.argument, "doc": one.doc}
            for one in fields
        ]
        sys.stdout.write(orjson.dumps(listed, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    for field in fields:
        bracket = {"none": "", "optional": "[…]", "required": "[…]"}[field.argument]
        print(f"{field.name + bracket:32} {field.type.name.lower():12} {field.doc}")
    return 0
