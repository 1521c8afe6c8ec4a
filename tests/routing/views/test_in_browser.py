"""What only a real browser shows: the live page, the keyboard, the theme, and that the content policy breaks nothing.

The stream itself is another's business (`tests/routing/api`); here its rings are made by hand.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Page, expect, sync_playwright

from routing.models import Acknowledgement, Member
from tests import build
from tests.e2e.dashboard import CHROMIUM, QUIET, Dashboard

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=15_000)
PASSWORD = "correct horse battery staple"


def stored(work: Callable[[], Any]) -> Any:
    """Do something with the database on another thread: this one runs the browser's event loop."""

    def on_its_own() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(on_its_own).result()


@pytest.fixture
def page(live_server, settings) -> Iterator[Page]:
    """A browser in which Bob has signed in; anything the browser complains about fails the test."""
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**django_settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    bob = User.objects.create_user("bob", password=PASSWORD)
    Member.objects.create(user=bob, role="responder")
    build.alert(rule="Before", time=timezone.now())
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        shown = browser.new_page(color_scheme="dark")
        shown.set_default_timeout(15_000)
        shown.on("pageerror", lambda error: complaints.append(str(error)))
        shown.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        Dashboard(shown, live_server.url).sign_in("bob", PASSWORD)
        yield shown
        browser.close()
    assert complaints == []


def ring(page: Page) -> None:
    page.evaluate("document.body.dispatchEvent(new CustomEvent('ring-alerts'))")


def test_new_alerts_come_on_top_and_wait_while_paused(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/live/")
    stored(lambda: build.alert(rule="Second", time=timezone.now()))
    ring(page)
    rows = page.locator("#live-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Second")
    page.get_by_role("button", name="Pause").click()
    for rule in ("Third", "Fourth"):
        stored(lambda rule=rule: build.alert(rule=rule, time=timezone.now()))
    ring(page)
    newer = page.get_by_role("button", name="2 new alerts")
    expect(newer).to_be_visible()
    expect(rows).to_have_count(2)
    newer.click()
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("Fourth")
    expect(newer).to_be_hidden()


def test_the_list_says_that_there_is_more_and_moves_no_row(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/alerts/")
    stored(lambda: build.alert(rule="After", time=timezone.now()))
    ring(page)
    more = page.get_by_role("link", name="1 new alert")
    expect(more).to_be_visible()
    expect(page.get_by_role("link", name="After", exact=True)).to_have_count(0)
    more.click()
    expect(page.get_by_role("link", name="After", exact=True)).to_be_visible()


def test_a_ring_soon_after_another_is_not_forgotten(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/groups/")
    with page.expect_response("**/groups/"):
        ring(page)
    stored(lambda: build.group(build.route(), title="Meanwhile"))
    ring(page)
    expect(page.get_by_role("link", name="Meanwhile")).to_be_visible()


def test_filtering_changes_the_rows_and_the_address(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/alerts/")
    page.get_by_label("Condition").fill("alert.rule = Nothing")
    page.get_by_label("Condition").press("Enter")
    expect(page.get_by_role("heading", name="No alert matches")).to_be_visible()
    assert page.url.endswith("/alerts/?q=alert.rule+%3D+Nothing")
    page.go_back()
    expect(page.get_by_role("link", name="Before", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def test_the_keyboard_walks_selects_and_acknowledges(page: Page, live_server) -> None:
    stored(lambda: build.alert(rule="Newer", time=timezone.now(), fingerprint="a" * 64))
    stored(lambda: build.group(build.route(), fingerprint="a" * 64))
    page.goto(f"{live_server.url}/alerts/")
    for key in ("j", "j", "k", "x"):
        page.keyboard.press(key)
    expect(page.locator("tr.here input[type=checkbox]")).to_be_checked()
    page.keyboard.press("a")
    expect(page.get_by_text("Acknowledged: 1 different")).to_be_visible()
    page.wait_for_load_state()
    assert stored(Acknowledgement.objects.count) == 1
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_g_and_a_letter_go_to_a_page(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/alerts/")
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.wait_for_url(f"{live_server.url}/runs/")


def test_keys_are_letters_where_one_writes(page: Page, live_server) -> None:
    page.goto(f"{live_server.url}/alerts/")
    page.keyboard.press("/")
    page.keyboard.type("gx?")
    expect(page.get_by_label("Condition")).to_have_value("gx?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_theme_stays_chosen_and_follows_the_system_until_then(page: Page, live_server) -> None:
    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = background()
    page.get_by_role("button", name="Theme").click()
    light = background()
    assert light != dark
    page.reload()
    assert background() == light
    page.get_by_role("button", name="Theme").click()
    assert background() == dark


def test_no_page_is_wider_than_a_phone(page: Page, live_server) -> None:
    stored(lambda: build.alert("critical", time=timezone.now(), output="x" * 300, hostname="n" * 60))
    stored(lambda: build.sensor(name="n" * 60, kernel="6.12.0-" + "k" * 40))
    stored(lambda: build.route(condition="alert.hostname = " + "h" * 80))
    stored(lambda: build.sink(name="s" * 60, last_error="e" * 200))
    page.set_viewport_size({"width": 360, "height": 740})
    widths = {}
    for path in (
        "/",
        "/live/",
        "/alerts/",
        "/groups/",
        "/runs/",
        "/rules/",
        "/sinks/",
        "/routes/",
        "/sensors/",
        "/windows/",
        "/lookups/",
    ):
        page.goto(live_server.url + path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(widths, 360)


def test_on_a_phone_the_menu_opens_without_javascript(page: Page, live_server) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{live_server.url}/alerts/")
    expect(page.get_by_role("link", name="Sinks")).to_be_hidden()
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("link", name="Sinks").click()
    expect(page.get_by_role("heading", name="Sinks", exact=True)).to_be_visible()
