"""Which of these tests run where."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that start the product bring a PostgreSQL and a Redis of their own, so once is enough."""
    skip = pytest.mark.skip(reason="brings its own servers, so it runs only in the pass on PostgreSQL and Redis")
    for item in items:
        ours = item.path.is_relative_to(HERE) and item.get_closest_marker("product")
        if ours and "DATABASE_URL" not in os.environ:
            item.add_marker(skip)
