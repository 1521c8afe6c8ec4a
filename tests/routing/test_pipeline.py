"""From stored alerts to groups, and to what is owed because of them."""

import pytest
from pytest_httpserver import HTTPServer

from routing import deliveries, pipeline
from routing.models import AlertGroup, Delivery
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


def test_an_alert_reaches_slack(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/services/T/B/xyz", method="POST").respond_with_data("ok")
    route = build.route(condition="alert.priority >= warning")
    route.sinks.add(build.sink("slack", secrets={"webhook_url": httpserver.url_for("/services/T/B/xyz")}))
    build.alert()

    planned = pipeline.route_pending(NOW)
    attempt = deliveries.send(planned.deliveries[0], NOW)

    assert (attempt.outcome, attempt.status, attempt.error) == ("sent", 200, "")
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.event, delivery.reason) == ("sent", "firing", "first alert of the group")
    sent = httpserver.log[0][0].get_json()
    assert sent["text"] == "Warning: Read sensitive file on node-1"
    group = AlertGroup.objects.get()
    assert (group.count, group.told_count, group.state) == (1, 1, "firing")
