from uuid import UUID

import pytest

from routing.models import Alert, Unrouted
from tests import build

pytestmark = pytest.mark.django_db


def test_it_finds_what_is_among_the_values_as_in_does() -> None:
    alerts = [build.alert(rule=rule) for rule in ("it's", "ü", "three")]
    keys = [alert.pk for alert in alerts[:2]]
    assert set(Alert.objects.filter(pk__among=[*keys, UUID(int=7)])) == set(alerts[:2])
    assert set(Alert.objects.filter(rule__among={"it's", "ü", "else"})) == set(alerts[:2])
    assert set(Unrouted.objects.filter(pk__among=keys).values_list("pk", flat=True)) == set(keys)
    assert not Alert.objects.filter(pk__among=[]).exists()
    assert set(Alert.objects.exclude(pk__among=keys)) == {alerts[2]}
