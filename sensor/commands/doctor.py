"""Say whether this machine can be watched, and what to do if not; ends with status 1 if not."""

import argparse
import sys


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """The command; returns the exit status."""
    import orjson

    from sensor.probes import doctor

    findings = doctor()
    if args.json:
        sys.stdout.write(orjson.dumps(findings, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:{width}}  {finding.detail}")
            if finding.advice:
                print(f"     {'':{width}}  → {finding.advice}")
    return 0 if all(finding.ok for finding in findings) else 1
