import pytest

from routing import sinks
from routing.models import Role
from tests import build

pytestmark = pytest.mark.django_db


def asked(client, **headers: str):
    return client.get("/api/v1/sinks/kinds", headers=headers)


def test_every_kind_of_sink_is_listed_with_its_options(client):
    build.token(role=Role.VIEWER)
    answer = asked(client, Authorization="Bearer sa_test")
    assert answer.status_code == 200
    listed = {one["kind"]: one for one in answer.json()}
    assert set(listed) == set(sinks.kinds())
    assert listed["pagerduty"]["paging"]
    assert not listed["loki"]["sends_resolved"]
    assert listed["webhook"]["options"]["properties"]["signing_secret"]["writeOnly"]
    assert listed["kafka"]["missing"] == ""


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.SENSOR, 403)])
def test_strangers_and_sensors_do_not_read_it(client, role, status):
    if role:
        build.token(role=role)
    assert asked(client, **({"Authorization": "Bearer sa_test"} if role else {})).status_code == status
