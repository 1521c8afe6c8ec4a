from io import StringIO

import pytest
from django.core.management import call_command

from routing import configuration
from tests import build

pytestmark = pytest.mark.django_db


def test_what_is_configured_is_printed_as_a_file_that_can_be_applied() -> None:
    build.route(name="a route")
    out = StringIO()
    call_command("export", stdout=out)
    found = configuration.read("a.yaml", out.getvalue())
    assert found.problems == []
    assert [one.name for one in found.sections["routes"]] == ["a route"]
