from datetime import timedelta

import pytest

from routing import backlog, pipeline
from routing.models import Unrouted
from tests import build


@pytest.mark.django_db
def test_the_alerts_that_wait_are_counted_up_to_a_limit():
    assert backlog.waiting(10) == 0
    for _ in range(3):
        build.alert()
    assert [backlog.waiting(at_most) for at_most in (2, 3, 10)] == [2, 3, 3]
    pipeline.route_pending(build.NOW)
    assert backlog.waiting(10) == 0


@pytest.mark.django_db
def test_the_oldest_of_all_lanes_is_found():
    assert backlog.oldest() is None
    waiting = [build.alert(received_at=build.NOW - timedelta(seconds=seconds)) for seconds in (20, 90, 60, 30)]
    for lane, alert in enumerate(waiting):
        Unrouted.objects.filter(pk=alert.pk).update(lane=lane)
    assert backlog.oldest() == build.NOW - timedelta(seconds=90)
    minute_ago = build.NOW - timedelta(seconds=60)
    assert [late.pk for late in backlog.older_than(minute_ago)] == [waiting[1].pk]
