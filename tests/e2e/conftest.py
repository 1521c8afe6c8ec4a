"""The running product, a browser on it, and the receivers its sinks send to."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.e2e.dashboard import Dashboard, browser_page
from tests.e2e.product import PASSWORD, Product, own_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.product)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Started as `make run` does after its setup; one for the tests of a file."""
    with own_database() as env:
        product = Product(tmp_path_factory.mktemp("product") / "data", env)
        try:
            product.start()
            yield product
        finally:
            status = product.stop()
            print("\n".join(product.lines))
        assert status == 0, "\n".join(product.lines)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page() as page:
        yield page


@pytest.fixture(scope="module")
def dashboard(product: Product, page: Page) -> Dashboard:
    """Signed in as the administrator."""
    dashboard = Dashboard(page, product.url)
    dashboard.sign_in("admin", PASSWORD)
    return dashboard


class Receiver:
    """Stands for Slack and PagerDuty: keeps what was posted and answers as they do."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.posted: dict[str, list[dict[str, object]]] = {"/slack": [], "/v2/enqueue": []}
        server.expect_request("/slack", "POST").respond_with_handler(self._answer("ok", 200))
        server.expect_request("/v2/enqueue", "POST").respond_with_handler(self._answer('{"status": "success"}', 202))

    @property
    def slack(self) -> list[dict[str, object]]:
        return self.posted["/slack"]

    @property
    def pagerduty(self) -> list[dict[str, object]]:
        return self.posted["/v2/enqueue"]

    def _answer(self, body: str, status: int):
        def answer(request: Request) -> Response:
            self.posted[request.path].append(request.get_json())
            return Response(body, status)

        return answer


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with HTTPServer(threaded=True) as server:
        yield Receiver(server)


class Api:
    """The machine API with an administrator's token."""

    def __init__(self, product: Product) -> None:
        made = product.manage("token", "create", "--role", "admin", "e2e", stdout=subprocess.PIPE, text=True)
        token, _ = made.communicate(timeout=60)
        self._url = product.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token.strip()}"

    def alerts(self, **filters: str) -> list[dict[str, object]]:
        """The newest alerts; raises requests.RequestException where the product does not answer."""
        answer = self._session.get(f"{self._url}/api/v1/alerts", params={"limit": "100", **filters}, timeout=10)
        answer.raise_for_status()
        items: list[dict[str, object]] = answer.json()["items"]
        return items


@pytest.fixture(scope="module")
def api(product: Product) -> Api:
    return Api(product)
