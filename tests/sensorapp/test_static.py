from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient

STYLES = "/static/routing/app.css"


@pytest.fixture
def get(db: None):
    """A request through the ASGI side, after the pages' files were collected as setup does."""
    call_command("collectstatic", interactive=False, verbosity=0)

    def get(path: str, **headers: Any) -> HttpResponse:
        return async_to_sync(AsyncClient().get)(path, headers=headers)

    return get


def test_a_static_file_is_served_whole_and_without_a_warning(get) -> None:
    answer = get(STYLES)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.content == (settings.BASE_DIR / "routing/static/routing/app.css").read_bytes()


def test_an_unchanged_file_is_not_sent_again(get) -> None:
    modified = get(STYLES).headers["Last-Modified"]
    again = get(STYLES, if_modified_since=modified)
    assert again.status_code == 304
    assert again.content == b""
