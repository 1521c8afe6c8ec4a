"""kill -9 of any part at any moment changes nothing about the outcome: what was seen is stored once and told."""

import sqlite3
import subprocess
import sys
import uuid
from collections import Counter

import pytest

from tests.e2e.conftest import Api, Receiver
from tests.e2e.dashboard import Dashboard
from tests.e2e.product import Product
from tests.e2e.waiting import eventually

RESTART_TIMEOUT = 20.0
TOLD_TIMEOUT = 60.0


@pytest.fixture(scope="module")
def marker(product: Product, dashboard: Dashboard, receiver: Receiver) -> str:
    """A word that leads every alert whose command line has it to Slack, each told alone."""
    if product.replays:
        pytest.skip("this kernel refuses BPF: the product replays recorded events, so no process here is seen")
    marker = f"attack-{uuid.uuid4().hex}"
    dashboard.add_sink("slack", "Slack #sec", {"Webhook URL": f"{receiver.url}/slack"})
    dashboard.add_first_route("Attacks", f'proc.cmdline contains "{marker}"', sinks=["Slack #sec"], group_by="...")
    return marker


def attack(name: str) -> None:
    """Reads a sensitive file; `name` stands in the command line."""
    subprocess.run([sys.executable, "-c", "open('/etc/shadow').read()", name], check=True)


def in_spool(product: Product, name: str) -> bool:
    with sqlite3.connect(product.data_dir / "spool") as spool:
        return spool.execute("SELECT 1 FROM alert WHERE instr(body, ?)", [name.encode()]).fetchone() is not None


def stored(api: Api, marker: str) -> Counter[str]:
    """How often each attack is stored."""
    found = api.alerts(q=f'proc.cmdline contains "{marker}"')
    return Counter(str(alert["output_fields"]["proc.cmdline"]).split()[-1] for alert in found)


def told(receiver: Receiver, names: list[str]) -> set[str]:
    everything = str(receiver.slack)
    return {name for name in names if name in everything}


def test_killing_each_part_in_turn_loses_nothing(product: Product, api: Api, receiver: Receiver, marker: str) -> None:
    names = []
    ours = ("web", "worker", "web", "worker") if "REDIS_URL" in product.env else ("web", "worker", "broker", "web")
    for victim in ours:
        for part in ("before", "after"):
            names.append(f"{marker}-turn-{len(names)}-{part}-{victim}")
            attack(names[-1])
            if part == "before":
                product.kill(victim)
    missing = lambda: set(names) - told(receiver, names)  # noqa: E731
    eventually(lambda: not missing(), TOLD_TIMEOUT, f"untold: {missing()}")
    assert stored(api, f"{marker}-turn") == Counter(names)


def test_a_sensor_killed_with_alerts_in_its_spool_posts_them_and_says_how_long_it_was_blind(
    product: Product, api: Api, receiver: Receiver, marker: str
) -> None:
    name = f"{marker}-spooled"
    product.kill("web")
    attack(name)
    eventually(lambda: in_spool(product, name), RESTART_TIMEOUT, "the alert in the spool")
    ready = product.count_lines("sensor", "ready")
    product.kill("sensor")
    eventually(lambda: product.count_lines("sensor", "ready") > ready, RESTART_TIMEOUT, "the sensor again")
    eventually(lambda: told(receiver, [name]), TOLD_TIMEOUT, "the spooled alert at Slack")
    assert stored(api, name) == Counter([name])
    (blind, *_) = eventually(lambda: api.alerts(rule="Sensor was blind"), TOLD_TIMEOUT, "the blind interval")
    assert blind["source"] == "internal"
    assert float(blind["output_fields"]["seconds"]) < RESTART_TIMEOUT
