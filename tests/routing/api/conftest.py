"""The whole server in this process: raw paths, Django and threads, against the test database."""

from collections.abc import Iterator

import pytest
from django.core.asgi import get_asgi_application

from routing.api.entry import Entry
from tests.asgi import Client, serving


@pytest.fixture
def server(transactional_db: None) -> Iterator[Client]:
    with serving(Entry(get_asgi_application())) as client:
        yield client
