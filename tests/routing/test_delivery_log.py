import re
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer

from routing import deliveries, metrics
from routing.models import Alert, Delivery, Sink
from tests import build
from tests.build import NOW
from tests.tallied import tallied

pytestmark = pytest.mark.django_db


@pytest.fixture
def sink(httpserver: HTTPServer) -> Sink:
    return build.sink(secrets={"url": httpserver.url_for("/hook")})


def answer(httpserver: HTTPServer, status: int) -> None:
    httpserver.clear()
    httpserver.expect_request(re.compile(".*")).respond_with_data("", status)


def owed(sink: Sink, **fields: str) -> Delivery:
    group = build.group(build.route())
    values = {"reason": "first alert of the group", "alert_ids": [str(build.alert().pk)], **fields}
    return Delivery.objects.create(
        sink=sink, group=group, route=group.route, alert_count=1, next_attempt_at=NOW, created_at=NOW, **values
    )


def test_attempts_are_counted_by_sink_and_outcome(sink: Sink, httpserver: HTTPServer) -> None:
    counts = [
        (metrics.ATTEMPTS, sink.name, "retry"),
        (metrics.ATTEMPTS, sink.name, "sent"),
        (metrics.SETTLED, sink.name, "sent"),
        (metrics.ATTEMPT, sink.name),
        (metrics.DELIVERY_WAIT,),
        (metrics.FIRST_ATTEMPT,),
    ]
    before = [tallied(*of) for of in counts]
    delivery = owed(sink)
    answer(httpserver, 503)
    deliveries.send_next(delivery.sink_id, 1, NOW)
    answer(httpserver, 200)
    deliveries.send_next(delivery.sink_id, 1, NOW + timedelta(days=1))
    assert [tallied(*of) - was for of, was in zip(counts, before, strict=True)] == [1, 1, 1, 2, 1, 1]


@pytest.mark.parametrize("fields", [{"event": "resolved"}, {"reason": "repeat interval passed"}])
def test_what_was_told_before_says_nothing_about_how_late_we_are(
    fields: dict[str, str], sink: Sink, httpserver: HTTPServer
) -> None:
    answer(httpserver, 200)
    before = tallied(metrics.FIRST_ATTEMPT)
    assert deliveries.send_next(owed(sink, **fields).sink_id, 1, NOW)
    assert tallied(metrics.FIRST_ATTEMPT) == before


def test_the_log_names_the_alerts_that_were_told(
    sink: Sink, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    answer(httpserver, 200)
    delivery = owed(sink)
    deliveries.send_next(delivery.sink_id, 1, NOW)
    (line,) = [record.getMessage() for record in caplog.records if "delivery_tried" in record.getMessage()]
    assert str(Alert.objects.get().uuid) in line
