import pytest

from tests import build

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/api/v1/nothing", "testserver", 404),
        ("POST", "/api/v1/actions/nonsense/result", "testserver", 404),
        ("PUT", "/api/v1/alerts", "testserver", 405),
        ("GET", "/api/v1/ruleset", "elsewhere.example", 400),
    ],
)
def test_what_django_refuses_is_a_problem_too(client, method: str, path: str, host: str, status: int) -> None:
    build.token()
    headers = {"Authorization": "Bearer sa_test", "Host": host}
    answer = client.generic(method, path, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert answer.json()["detail"]
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert status != 405 or (answer.headers["Allow"], answer.json()["detail"]) == ("GET", "Use GET.")


def test_a_page_that_is_not_there_stays_a_page(client) -> None:
    assert client.get("/nothing/").headers["Content-Type"].startswith("text/html")
