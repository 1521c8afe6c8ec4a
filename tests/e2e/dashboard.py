"""The dashboard in the real Chromium, as a person uses it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
# Without them Chromium looks for hosts of its maker at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def browser_page() -> Iterator[Page]:
    """One page of a new browser; a page error fails the test."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.set_default_timeout(15_000)
        try:
            yield page
        finally:
            browser.close()
    assert errors == []


class Dashboard:
    """What a person does on the pages."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, username: str, password: str) -> None:
        self.open("/sign-in/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def add_sink(self, kind: str, name: str, options: Mapping[str, str]) -> None:
        self.open(f"/sinks/new/{kind}/")
        self.page.get_by_label("Name", exact=True).fill(name)
        for label, value in options.items():
            self.page.get_by_label(label).first.fill(value)
        self._save(f"{name} is saved")

    def add_action(self, name: str, mode: str) -> None:
        self.open("/actions/new/kill_process/")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label(mode, exact=True).check()
        self._save(f"{name} is saved")

    def add_first_route(
        self,
        name: str,
        condition: str,
        sinks: Sequence[str] = (),
        actions: Sequence[str] = (),
        group_by: str = "alert.rule",
    ) -> None:
        """A route above the others that tells at once and lets the alert go on."""
        self.open("/routes/new/")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Condition").fill(condition)
        for choice in (*sinks, *actions):
            # The same sinks can be chosen for escalation, further down.
            self.page.get_by_label(choice, exact=True).first.check()
        self.page.get_by_label("Go on with the next route").check()
        self.page.get_by_label("Group by").fill(group_by)
        self.page.get_by_label("Group wait").fill("0s")
        self._save(f"{name} is saved")
        up = self.page.get_by_role("button", name=f"Move {name} up")
        while up.is_enabled():
            with self.page.expect_navigation():
                up.click()

    def publish_rules(self, name: str, text: str) -> None:
        self.open("/rules/files/new/")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Rules", exact=True).fill(text)
        self.page.get_by_role("button", name="Save as draft").click()
        self.open("/rules/")
        self.page.get_by_role("button", name="Publish").click()
        self.page.get_by_role("link", name="1 sensor").or_(self.page.get_by_text("newest")).first.wait_for()

    def _save(self, said: str) -> None:
        self.page.get_by_role("button", name="Save", exact=True).click()
        self.page.get_by_text(said).wait_for()
