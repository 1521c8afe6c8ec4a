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


@pytest.mark.django_db
def test_a_lane_is_looked_at_from_where_it_began_while_a_whole_look_takes_long():
    times = iter([0.0, 1.0, 2.0, 2.0, 3.0, 3.0, 21.0, 21.0, 22.0, 22.0])
    clock = lambda: next(times)  # noqa: E731
    first, second = (build.alert(received_at=build.NOW + timedelta(seconds=number)) for number in (0, 10))
    assert backlog.longest(0, 1, clock=clock) == [first.pk]
    Unrouted.objects.filter(pk=first.pk).delete()
    # Late, as where two servers store at the same time; and by far too late, as where a clock is wrong.
    late, lost = (build.alert(received_at=build.NOW - delay) for delay in (backlog.LATE, 2 * backlog.LATE))
    assert backlog.longest(0, 9, clock=clock) == [late.pk, second.pk]
    Unrouted.objects.exclude(pk=lost.pk).delete()
    assert backlog.longest(0, 9, clock=clock) == []
    # What a whole look takes is a twentieth of the time.
    assert backlog.longest(0, 9, clock=clock) == [lost.pk]
    # That one was fast, so the next one is whole again.
    earlier = build.alert(received_at=build.NOW - 9 * backlog.LATE)
    assert backlog.longest(0, 9, clock=clock) == [earlier.pk, lost.pk]


@pytest.mark.django_db
def test_each_lane_has_a_beginning_of_its_own_and_what_is_passed_by_is_none():
    one, other = build.alert(lane=1), build.alert(lane=2)
    assert backlog.longest(1, 9) == [one.pk]
    assert backlog.longest(2, 9) == [other.pk]
    assert backlog.longest(2, 9, passing=[other.pk]) == []
