"""Check rule files, or one condition, and say what is wrong where.

Exit status 0 when everything loads, 1 when something does not.
"""

import argparse
import sys
from pathlib import Path

import orjson

from sensor.config import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="rule files or directories, in order")
    parser.add_argument("--condition", metavar="TEXT", help="check one condition instead of files")
    parser.add_argument("--source", default="syscall", help="the event source of that condition")
    parser.add_argument("--json", action="store_true", help="print the result as upstream's verify JSON")
    parser.add_argument("--describe", action="store_true", help="print what the files define, as JSON")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    if args.condition is not None:
        return check_condition(args.condition, args.source, as_json=args.json)
    if not args.files:
        raise ConfigError("check: name the rule files, or give --condition TEXT")
    from sensor.rules import describe, load, verify

    files = read(args.files)
    ruleset = load(files)
    if args.json:
        result = verify.verify(files, ruleset)
        if args.describe and not ruleset.errors:
            result["falco_describe_results"] = describe.describe(ruleset)
        _print_json(result)
    elif args.describe and not ruleset.errors:
        _print_json(describe.describe(ruleset))
    else:
        print(verify.report(ruleset))
    return 1 if ruleset.errors else 0


def check_condition(text: str, source: str, *, as_json: bool) -> int:
    """Check one condition; prints its canonical form, or what is wrong with it."""
    from sensor.fields import ALL
    from sensor.rules import RuleError, evttypes, parse
    from sensor.rules.compiler import check_condition

    if source not in ALL:
        raise ConfigError(f"--source {source}: use one of {', '.join(ALL)}")
    try:
        tree = parse(text)
        check_condition(tree, ALL[source])
        types = evttypes.inferred(tree).known
    except RuleError as error:
        if as_json:
            place = {"line": error.line, "column": error.column, "snippet": error.snippet}
            _print_json({"valid": False, "code": error.code, "message": error.message, "hint": error.hint, **place})
        else:
            print(error)
        return 1
    if as_json:
        _print_json({"valid": True, "condition": str(tree), "event_types": None if types is None else sorted(types)})
    else:
        print(tree)
        print("event types: " + ("all" if types is None else ", ".join(sorted(types)) or "none"))
    return 0


def read(names: list[str]) -> list[tuple[str, bytes]]:
    """The files named, those of a directory in the order of their names; raises ConfigError where one is missing."""
    found: list[tuple[str, bytes]] = []
    for name in names:
        path = Path(name)
        paths = sorted(one for one in path.glob("*") if one.suffix in (".yaml", ".yml")) if path.is_dir() else [path]
        try:
            found += [(str(one), one.read_bytes()) for one in paths]
        except OSError as error:
            raise ConfigError(f"{name}: {error.strerror}") from None
    if not found:
        raise ConfigError(f"{' '.join(names)}: there is no .yaml or .yml file")
    return found


def _print_json(value: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
