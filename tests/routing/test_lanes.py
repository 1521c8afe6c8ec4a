"""Lanes of alerts that wait: workers route different ones at the same time."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from routing import pipeline
from routing.models import AlertGroup, GroupedAlert, Route, Unrouted
from routing.turns import Turn
from tests import build
from tests.build import NOW
from tests.routing.test_deliveries import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def route() -> Route:
    return build.route(group_wait=0)


def test_lanes_in_which_alerts_wait_are_tried_and_first_the_one_where_one_waits_for_longest() -> None:
    for seconds, lane in enumerate((2, 0, 2)):
        build.alert(received_at=NOW + timedelta(seconds=seconds), lane=lane)
    assert pipeline.lanes_waiting() == [2, 0]
    pipeline.route_pending(NOW)
    assert pipeline.lanes_waiting() == [0]
    pipeline.route_pending(NOW)
    assert pipeline.lanes_waiting() == []


def test_a_lane_that_is_stuck_does_not_stop_the_others(route: Route, caplog: pytest.LogCaptureFixture) -> None:
    Route.objects.update(group_by=["proc.name"])
    build.alert(output_fields=["not", "fields"], lane=1)
    for lane in (0, 2, 3):
        build.alert(lane=lane)
    for _ in range(3):
        assert pipeline.route_pending(NOW).alerts == 1
    with pytest.raises(AttributeError):
        pipeline.route_pending(NOW)
    assert "lane_stuck" in caplog.text
    assert list(Unrouted.objects.values_list("lane", flat=True)) == [1]


def test_a_lane_that_another_worker_routes_is_left_to_it(route: Route) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    build.alert(lane=2)
    settings = connection.settings_dict
    names = {"dbname": settings["NAME"], "user": settings["USER"], "host": settings["HOST"], "port": settings["PORT"]}
    with psycopg.connect(**names) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [Turn.LANE + 2])
        assert pipeline.route_pending(NOW).alerts == 0
    assert pipeline.route_pending(NOW).alerts == 1


@pytest.mark.django_db(transaction=True)
def test_many_workers_route_each_alert_once() -> None:
    route = build.route(group_by=["alert.hostname"])
    route.sinks.add(build.sink("webhook"))
    for number in range(60):
        build.alert(hostname=f"node-{number % 3}", lane=number % Unrouted.LANES)

    def route_all() -> None:
        while Unrouted.objects.exists():
            pipeline.route_pending(NOW, limit=7)

    together(route_all, 4)

    assert not Unrouted.objects.exists()
    assert sorted(AlertGroup.objects.values_list("labels__alert.hostname", "count")) == [
        ("node-0", 20),
        ("node-1", 20),
        ("node-2", 20),
    ]
    assert GroupedAlert.objects.count() == 60
