"""Check rule files, or one condition; ends with status 1 if anything is wrong."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="rule files or directories, in the order of loading")
    parser.add_argument("--condition", metavar="TEXT", help="check this condition instead of files")
    parser.add_argument("--source", default="syscall", help="the event source that --condition is for")
    parser.add_argument("--json", action="store_true", help="print the result as Falco's --validate does")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    import orjson

    from sensor.config import ConfigError
    from sensor.rulefeed import read_files
    from sensor.rules.loader import load
    from sensor.rules.verify import report, verify

    if (args.condition is None) == (not args.files):
        raise ConfigError("name rule files, or give --condition TEXT")
    if args.condition is not None:
        return _check_condition(args.condition, args.source)
    files = [(file.name, file.text) for file in read_files(args.files)]
    ruleset = load(files)
    if args.json:
        sys.stdout.write(orjson.dumps(verify(files, ruleset), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        print(report(ruleset))
    return 1 if ruleset.errors else 0


def _check_condition(text: str, source: str) -> int:
    from sensor.config import ConfigError
    from sensor.fields import ALL
    from sensor.rules.compiler import compile_condition
    from sensor.rules.errors import RuleError

    if source not in ALL:
        raise ConfigError(f"there is no event source {source!r}; use one of {', '.join(ALL)}")
    try:
        compile_condition(text, ALL[source])
    except RuleError as error:
        print(error, file=sys.stderr)
        return 1
    print("the condition is right")
    return 0
