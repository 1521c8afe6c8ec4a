"""List the fields that conditions and outputs can use, with their types and meanings."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", help="only fields whose name starts so, for example proc.")
    parser.add_argument("--source", help="one event source instead of all")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the page docs/fields.md")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    import orjson

    from sensor.config import ConfigError
    from sensor.fields import ALL, listing

    if args.source is not None and args.source not in ALL:
        raise ConfigError(f"there is no event source {args.source!r}; use one of {', '.join(ALL)}")
    catalogs = [ALL[args.source]] if args.source else list(ALL.values())
    if args.markdown:
        sys.stdout.write(listing.markdown(catalogs))
    elif args.json:
        found = listing.listed(catalogs, args.prefix)
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(listing.plain(catalogs, args.prefix))
    return 0
