import pytest

from routing import backlog, pipeline
from tests import build


@pytest.mark.django_db
def test_the_alerts_that_wait_are_counted_up_to_a_limit():
    assert backlog.waiting(10) == 0
    for _ in range(3):
        build.alert()
    assert [backlog.waiting(at_most) for at_most in (2, 3, 10)] == [2, 3, 3]
    pipeline.route_pending(build.NOW)
    assert backlog.waiting(10) == 0
