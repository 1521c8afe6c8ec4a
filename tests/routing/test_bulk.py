from datetime import UTC, datetime

import pytest

from routing import bulk
from routing.models import Alert, AlertGroup
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

SAID = {"text": "Grüße, 世界", "number": 2**62, "more": 2**80, "share": 0.25, "list": [None, True], "map": {"a": {}}}


def values_of(row: Alert | AlertGroup) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_what_is_read_in_bulk_is_what_was_stored() -> None:
    time = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    stored = [build.alert(output_fields=SAID), build.alert(time=time, tags=[], sensor=build.sensor(), own_node=True)]
    found = bulk.read(Alert.objects.order_by("-time"))
    assert [values_of(one) for one in found] == [values_of(one) for one in stored]
    assert found[0].time.utcoffset() == NOW.utcoffset()


def test_rows_that_were_read_in_bulk_can_be_written_and_read_again() -> None:
    group = build.group(build.route(), told_at=None, labels={"alert.rule": "x"})
    [found] = bulk.read(AlertGroup.objects.filter(pk__among=[group.pk]).select_for_update())
    found.told_at = NOW
    found.save()
    assert values_of(AlertGroup.objects.get()) == {**values_of(group), "told_at": NOW}


def test_what_cannot_be_found_is_not_asked_for() -> None:
    build.alert()
    assert bulk.read(Alert.objects.filter(pk__in=[])) == []
