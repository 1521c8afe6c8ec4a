"""One run, from the first alert to the verdict."""

import time
from collections.abc import Callable, Mapping

from django.db import connection

from tests.chaos import calm, scene, verdict
from tests.chaos.client import SECONDS
from tests.chaos.killer import Killer
from tests.chaos.load import Load
from tests.chaos.stack import Stack, heal

LONGEST = 3.0
"""How many times longer than asked for it may take until enough is acknowledged: the machine may be busy."""
FINDINGS_SHOWN = 10


def run(stack: Stack, seconds: float, wanted: int, seed: int, say: Callable[[str], None]) -> int:
    """The exit status: 0 where every promise was kept."""
    tokens = scene.build(f"http://127.0.0.1:{stack.receiver_port}")
    connection.close()  # Its server is about to be killed.
    load = Load(stack.port, tokens, wanted, seconds, seed)
    killer = Killer(stack, seed, say)
    load.start()
    began = time.monotonic()

    def go_on() -> bool:
        past = time.monotonic() - began
        return load.is_alive() and (past < seconds or (not load.enough and past < LONGEST * seconds))

    killer.run(go_on)
    say(f"the killing is over; {len(load.told.acknowledged)} alerts were acknowledged")
    heal(stack)
    load.finish()
    stuck = ""
    try:
        load.wait_for_posts(SECONDS * 4)
        calm.wait()
    except (calm.Stuck, TimeoutError) as error:
        stuck = str(error)
    killer.look()
    load.leave()
    say("everything that was owed is done" if not stuck else f"stuck: {stuck}")
    facts = verdict.Facts(load.told, load.node.told, verdict.Arrivals.read(stack.deliveries))
    problems = verdict.broken(facts)
    for name, found in (
        ("stuck", [stuck] if stuck else []),
        ("answered wrongly", load.told.wrong + load.node.wrong),
        ("ended though nobody killed it", killer.ended),
        ("too few acknowledged", [] if load.enough else [f"{len(load.told.acknowledged)} of {wanted}"]),
    ):
        if found:
            problems[name] = found
    _print(verdict.figures(facts), load, killer, len(problems.get(verdict.LOST, ())))
    return _judge(stack, problems)


def _print(figures: Mapping[str, int], load: Load, killer: Killer, lost: int) -> None:
    answers = {f"answer {answer}": count for answer, count in sorted(load.told.answers.items())}
    kills = {f"kills of {victim}": count for victim, count in sorted(killer.kills.items())}
    late = {"results refused as late": load.node.refused}
    for name, count in {**figures, **late, **answers, **kills, "kills": killer.kills.total(), "lost": lost}.items():
        print(f"{name:<40} {count:>9}", flush=True)


def _judge(stack: Stack, problems: Mapping[str, list[str]]) -> int:
    """Keeps what broke a promise in a file, and shows the first of it."""
    if not problems:
        print("every promise was kept")
        return 0
    file = stack.directory / "broken.txt"
    file.write_text("".join(f"{name}: {one}\n" for name, found in problems.items() for one in found))
    for name, found in problems.items():
        print(f"BROKEN: {name}: {len(found)}", *found[:FINDINGS_SHOWN], sep="\n    ")
    print(f"all of it: {file}")
    return 1
