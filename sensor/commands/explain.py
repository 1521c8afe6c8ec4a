"""Explain why a rule matched an event, or why not.

Prints the condition as a tree: + held, - did not. Exit status 0 when the rule matches, 1 when it does not.
"""

import argparse
import difflib
import sys
from pathlib import Path

from sensor.config import ConfigError
from sensor.event import NANOSECONDS
from sensor.rules.ruleset import Rule


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="RULE", help="the rule's name")
    parser.add_argument("event", type=Path, metavar="EVENT", help="a file with one event, or a recording")
    parser.add_argument("--rules", nargs="+", metavar="FILE", help="rule files or directories; ours without")
    parser.add_argument("--number", type=int, default=1, metavar="N", help="which event of a recording, from 1")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    from sensor.commands.check import read
    from sensor.rulefeed import BUILT_IN
    from sensor.rules import explain, load, verify
    from sensor.sources import replay

    ruleset = load(read(args.rules or [str(BUILT_IN)]))
    if ruleset.errors:
        print(verify.report(ruleset), file=sys.stderr)
        return 2
    rule = ruleset.rule(args.rule)
    if rule is None:
        raise ConfigError(f"explain: there is no rule '{args.rule}'{_guess(args.rule, ruleset.rules)}")
    try:
        event = replay.numbered(args.event, max(1, args.number))
    except (OSError, replay.BadRecording) as error:
        raise ConfigError(f"explain: {error}") from None
    if event is None:
        raise ConfigError(f"explain: {args.event} has no event number {args.number}")
    if event.source != rule.source:
        print(f"rule '{rule.name}' does not match: it is for {rule.source}, the event is from {event.source}")
        return 1
    part = explain.explain(rule, event, ruleset.definitions)
    print(f"rule '{rule.name}' {'matches' if part.held else 'does not match'}")
    print("\n".join(explain.lines(part)))
    if rule.count is not None:
        print(f"it counts matches, and speaks at {rule.count.at_least} within {rule.count.over_ns / NANOSECONDS:g} s")
    return 0 if part.held else 1


def _guess(name: str, rules: list[Rule]) -> str:
    close = difflib.get_close_matches(name, [rule.name for rule in rules], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
