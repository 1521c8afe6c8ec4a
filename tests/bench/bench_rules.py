"""What the rules cost: an event against the stable rules, field extraction included, and loading a large file.

The events are tests/fixtures/events/session.jsonl.gz: 10,000 recorded from a shell session, a compile and the
behaviours that rules look for (66 % opens, 11 % execs, 16 % network). Upstream's stable rules are found through
RULES_DIR; without them our own rules are measured. Times are the process's own, so that a busy machine does not count.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from sensor.engine import Engine
from sensor.event import Event
from sensor.rules import RuleSet, load
from sensor.sources import replay

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests/fixtures/events/session.jsonl.gz"
STABLE = Path(os.environ.get("RULES_DIR", ROOT.parent / "shared/rules")) / "falco_rules.yaml"
ROUNDS = 7

_COLD = "import sys, time; start = time.process_time(); from sensor.rules import load; from pathlib import Path; "
_COLD += "load([(sys.argv[1], Path(sys.argv[1]).read_bytes())]); print(time.process_time() - start)"


def run() -> list[tuple[str, float, str, str]]:
    """Mean and 99th percentile per event, the ratio to a loop that only looks at the type, and loading."""
    files = [STABLE] if STABLE.is_file() else sorted((ROOT / "sensor/rules.d").glob("*.yaml"))
    ruleset = load([(str(path), path.read_bytes()) for path in files])
    events = list(replay.events(EVENTS))
    engine = Engine(ruleset)
    matched = Counter(rule.name for event in events for rule in engine.evaluate(event))
    mean = min(_evaluated(engine, events) for _ in range(ROUNDS))
    baseline = min(_indexed(ruleset, events) for _ in range(ROUNDS))
    slowest = _percentile(engine, events)
    what = f"{len(events)} events, {len(ruleset.rules)} rules, {sum(matched.values())} matches of {len(matched)} rules"
    found = [
        ("rules_eval", mean, "µs/event", f"{mean / baseline:.0f} x a loop that only indexes evt.type; {what}"),
        ("rules_eval_p99", slowest, "µs/event", "one event timed by itself, the clock's 0.1 µs included"),
        ("rules_eval_baseline", baseline, "µs/event", "the loop that only indexes evt.type"),
    ]
    largest = max(files, key=lambda path: path.stat().st_size)
    cold = min(_cold(largest) for _ in range(3))
    found.append(("rules_load_cold", cold, "s", f"import and load of {largest.name} in a new interpreter"))
    return found


def _evaluated(engine: Engine, events: list[Event]) -> float:
    evaluate = engine.evaluate
    start = time.process_time()
    for event in events:
        evaluate(event)
    return (time.process_time() - start) / len(events) * 1e6


def _indexed(ruleset: RuleSet, events: list[Event]) -> float:
    index = {name: 1 for rule in ruleset.rules for name in rule.event_types or ()}
    start = time.process_time()
    for event in events:
        index.get(event.type)
    return (time.process_time() - start) / len(events) * 1e6


def _percentile(engine: Engine, events: list[Event]) -> float:
    times = []
    for event in events:
        start = time.perf_counter_ns()
        engine.evaluate(event)
        times.append(time.perf_counter_ns() - start)
    return sorted(times)[len(times) * 99 // 100] / 1000


def _cold(path: Path) -> float:
    command = [sys.executable, "-c", _COLD, str(path)]
    return float(subprocess.run(command, capture_output=True, check=True, cwd=ROOT, text=True).stdout)
