import pytest

from routing.models import Token
from routing.simulation import NoAlert, alert_of
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db


def test_what_is_posted_becomes_the_alert_that_it_would_be_stored_as() -> None:
    alert = alert_of(build.posted(), NOW)
    assert (alert.rule, alert.hostname, alert.time, alert.tags) == ("Read sensitive file", "node-1", NOW, ["T1003"])
    assert alert.output_fields["proc.name"] == "cat"
    assert (alert.sensor, alert.own_node) == (None, False)


def test_it_counts_as_reported_by_its_nodes_own_sensor() -> None:
    sensor = build.sensor()
    alert = alert_of(build.posted(), NOW)
    assert (alert.sensor, alert.own_node) == (sensor, True)
    Token.objects.update(revoked_at=NOW)
    assert alert_of(build.posted(), NOW).sensor is None


def test_without_a_time_it_is_of_now() -> None:
    posted = {name: value for name, value in build.posted().items() if name != "time"}
    assert alert_of(posted, NOW).time == NOW


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"rule": None}, "rule: is missing"), ({"priority": "loud"}, "priority: "), ({"tags": 1}, "tags")],
)
def test_what_is_no_alert_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(NoAlert, match=said):
        alert_of(build.posted(**changes), NOW)


def test_odd_host_names_do_no_harm() -> None:
    assert alert_of(build.posted(hostname="a\0b"), NOW).sensor is None
    assert alert_of(build.posted(hostname=None), NOW).sensor is None
    for hostname in (7, {}):
        with pytest.raises(NoAlert, match="hostname"):
            alert_of(build.posted(hostname=hostname), NOW)
