from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from routing import windows
from routing.models import MaintenanceWindow, TimeInterval
from tests import build
from tests.build import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
# A Monday; NOW is noon.
LUNCH = [{"weekdays": ["monday"], "times": [{"start_time": "11:30", "end_time": "12:30"}]}]


def window(**fields: Any) -> MaintenanceWindow:
    return MaintenanceWindow.objects.create(
        **{"name": "patch day", "condition": "alert.hostname = node-1", "ends_at": NOW + HOUR, **fields}
    )


@pytest.mark.parametrize(
    ("starts", "ends", "until"), [(None, 1, 1), (0, 1, 1), (-1, 2, 2), (1, 2, None), (-2, 0, None), (-2, -1, None)]
)
def test_a_window_holds_from_its_start_until_before_its_end(starts, ends, until) -> None:
    window(starts_at=None if starts is None else NOW + starts * HOUR, ends_at=NOW + ends * HOUR)
    assert [one.until for one in windows.active(NOW)] == ([] if until is None else [NOW + until * HOUR])


def test_a_recurring_window_holds_in_its_interval() -> None:
    window(interval=TimeInterval.objects.create(name="lunch", spec=LUNCH), ends_at=None)
    (active,) = windows.active(NOW)
    assert (active.name, active.until) == ("patch day", NOW + HOUR / 2)
    assert windows.active(NOW + HOUR) == []
    assert windows.active(NOW - 24 * HOUR) == []


def test_a_recurring_window_ends_for_good_at_its_end() -> None:
    window(interval=TimeInterval.objects.create(name="lunch", spec=LUNCH), ends_at=NOW + HOUR / 4)
    assert windows.active(NOW)[0].until == NOW + HOUR / 4
    assert windows.active(NOW + HOUR / 3) == []


def test_a_window_takes_what_its_condition_says() -> None:
    window()
    (active,) = windows.active(NOW)
    assert active.takes(build.alert())
    assert not active.takes(build.alert(hostname="node-2"))


def test_what_is_disabled_or_cannot_be_read_holds_never(caplog: pytest.LogCaptureFixture) -> None:
    window(enabled=False)
    window(name="condition", condition="alert.rul = x")
    window(name="interval", interval=TimeInterval.objects.create(name="odd", spec=[{"weekdays": ["funday"]}]))
    assert windows.active(NOW) == []
    assert "condition_broken" in caplog.text
    assert "interval_broken" in caplog.text


@pytest.mark.parametrize("fields", [{"ends_at": None}, {"starts_at": NOW + HOUR}])
def test_a_window_without_bounds_or_that_ends_before_it_starts_is_not_stored(fields) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        window(**fields)


@pytest.mark.parametrize(
    ("starts", "ends", "recurs", "expected"),
    [
        (1, 2, False, 1),
        (-2, -1, False, None),
        (None, None, True, 7 * 24 - 0.5),
        (7 * 24, None, True, 7 * 24),
        (None, 24, True, None),
        (8 * 24, None, True, 14 * 24 - 0.5),
    ],
)
def test_a_window_says_when_it_next_holds(starts, ends, recurs: bool, expected) -> None:
    lunch = TimeInterval.objects.create(name="lunch", spec=LUNCH) if recurs else None
    made = window(
        starts_at=None if starts is None else NOW + starts * HOUR,
        ends_at=None if ends is None else NOW + ends * HOUR,
        interval=lunch,
    )
    found = windows.next_start(made, NOW + HOUR if recurs else NOW)
    assert found == (None if expected is None else NOW + expected * HOUR)


def test_a_window_whose_interval_cannot_be_read_never_holds_again() -> None:
    odd = TimeInterval.objects.create(name="odd", spec=[{"weekdays": ["funday"]}])
    assert windows.next_start(window(interval=odd), NOW) is None
