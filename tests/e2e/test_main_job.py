"""From a real attack to people and to an answer, through the whole product."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.conftest import Api, Receiver
from tests.e2e.dashboard import Dashboard
from tests.e2e.product import Product
from tests.e2e.waiting import eventually

# Long enough for a sensor's next hello, which tells it of the new ruleset, and for compiling it.
RULESET_TIMEOUT = 30.0
SEEN_WITHIN = 2.0
KILLED_WITHIN = 1.0

# Other products may watch this kernel at the same time: what is ours has a name of its own.
SHADOW = f"reads-shadow-{uuid.uuid4().hex}"
MARKED = f"marked-{uuid.uuid4().hex}"
RULES = f"""
- rule: Marked process
  desc: A process that the test marked was started.
  condition: evt.type in (execve, execveat) and proc.cmdline contains "{MARKED}"
  output: Marked process started (command=%proc.cmdline pid=%proc.pid)
  priority: CRITICAL
"""


@pytest.fixture(scope="module")
def configured(product: Product, dashboard: Dashboard, receiver: Receiver) -> Product:
    """Sinks, routes, an automatic action and a rule, all made on the pages."""
    dashboard.add_sink("slack", "Slack #sec", {"Webhook URL": f"{receiver.url}/slack"})
    pagerduty = {"Integration key": "0123456789abcdef0123456789abcdef", "Events address": receiver.url}
    dashboard.add_sink("pagerduty", "PagerDuty", pagerduty)
    dashboard.add_action("Kill marked", "Automatic")
    about_shadow = f'proc.cmdline contains "{SHADOW}" and fd.name = /etc/shadow'
    dashboard.add_first_route("Shadow", about_shadow, sinks=["Slack #sec", "PagerDuty"])
    dashboard.add_first_route("Marked", 'alert.rule = "Marked process"', actions=["Kill marked"])
    dashboard.publish_rules("marked.yaml", RULES)
    product.wait_for_line(lambda line: "ruleset_in_force" in line and "number=2" in line, RULESET_TIMEOUT)
    return product


@contextmanager
def process(*words: str) -> "Iterator[subprocess.Popen[bytes]]":
    """A harmless process that waits for a signal; the words only stand in its command line."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()", *words]) as waiting:
        try:
            yield waiting
        finally:
            waiting.kill()


def needs_kernel(product: Product) -> None:
    if product.replays:
        pytest.skip("this kernel refuses BPF: the product replays recorded events, so no process here is seen")


def test_a_real_read_is_on_the_page_and_at_slack_and_pagerduty(
    configured: Product, dashboard: Dashboard, receiver: Receiver
) -> None:
    needs_kernel(configured)
    dashboard.open("/live/")
    dashboard.page.get_by_role("heading", name="Live").wait_for()

    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "open('/etc/shadow').read()", SHADOW], check=True)
    dashboard.page.get_by_text(SHADOW).first.wait_for()
    on_page = time.monotonic() - started
    eventually(lambda: receiver.slack and receiver.pagerduty, SEEN_WITHIN, "a payload each")
    everywhere = time.monotonic() - started
    print(f"on the page after {on_page:.2f} s, at both sinks after {everywhere:.2f} s")
    assert max(on_page, everywhere) < SEEN_WITHIN

    (slack,), (pagerduty,) = receiver.slack, receiver.pagerduty
    assert SHADOW in str(slack["attachments"])
    assert pagerduty["event_action"] == "trigger"
    assert pagerduty["routing_key"] == "0123456789abcdef0123456789abcdef"
    assert pagerduty["payload"]["severity"] in ("critical", "error", "warning", "info")
    assert SHADOW in str(pagerduty["payload"]["custom_details"])


def test_the_marked_process_is_killed_and_the_unmarked_one_lives(configured: Product) -> None:
    needs_kernel(configured)
    with process("unmarked") as unmarked, process(MARKED) as marked:
        started = time.monotonic()
        status = marked.wait(20)
        killed_after = time.monotonic() - started
        print(f"killed after {killed_after:.2f} s")
        assert status == -9
        assert unmarked.poll() is None
    assert killed_after < KILLED_WITHIN


def test_the_group_page_tells_the_whole_story(configured: Product, dashboard: Dashboard, api: Api) -> None:
    needs_kernel(configured)
    with process(MARKED) as marked:
        marked.wait(20)
    alert = api.alerts(q='alert.rule = "Marked process"')[0]
    dashboard.open(f"/alerts/{alert['uuid']}/")
    dashboard.page.get_by_role("listitem").filter(has_text="of the route Marked").get_by_role("link").first.click()
    for said in ("Took the route", "Kill pid", "Succeeded"):
        dashboard.page.get_by_text(said).first.wait_for()


def test_recorded_events_are_shown_where_the_kernel_refuses(product: Product, api: Api) -> None:
    if not product.replays:
        pytest.skip("this kernel allows BPF, and the other tests use it")
    eventually(api.alerts, 30, "an alert from the recorded events")
