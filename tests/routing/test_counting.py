import pytest

from routing.counting import up_to
from routing.models import Route
from tests import build


@pytest.mark.django_db
@pytest.mark.parametrize(("most", "counted"), [(2, 2), (3, 3), (9, 3)])
def test_rows_are_counted_up_to_an_end(most: int, counted: int) -> None:
    for number in range(3):
        build.route(name=f"route {number}")
    assert up_to(Route.objects.all(), most) == counted
