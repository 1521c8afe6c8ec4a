import pytest

from routing import receipts
from routing.models import Delivery, Receipt
from tests import build

pytestmark = pytest.mark.django_db


@pytest.fixture
def owed():
    """Deliveries of two sinks about two groups, and a test message."""
    route = build.route()
    groups = [build.group(route, key=letter * 64) for letter in "ab"]
    one, other = build.sink(name="one"), build.sink(name="other")
    common = {"reason": "r", "next_attempt_at": build.NOW, "created_at": build.NOW}
    return [
        Delivery.objects.create(sink=sink, group=group, **common)
        for sink, group in ((one, groups[0]), (one, groups[1]), (one, None), (other, groups[0]))
    ]


def test_a_receipt_is_given_back_to_its_sink_for_its_group(owed):
    first, second, test, elsewhere = owed
    receipts.keep(first.sink_id, {first.group_id: {"ts": "1.2"}})
    assert receipts.of([first, second, test]) == {first.group_id: {"ts": "1.2"}}
    assert receipts.of([elsewhere]) == {}
    assert receipts.of([test]) == {}


def test_a_later_receipt_takes_the_place_of_the_earlier_one(owed):
    first, second, *_ = owed
    receipts.keep(first.sink_id, {first.group_id: {"ts": "1.2", "more": "x"}, second.group_id: {"ts": "7.8"}})
    receipts.keep(first.sink_id, {first.group_id: {"ts": "3.4"}})
    assert receipts.of([first, second]) == {first.group_id: {"ts": "3.4"}, second.group_id: {"ts": "7.8"}}


def test_an_empty_receipt_forgets(owed):
    first, second, _, elsewhere = owed
    for delivery in (first, second, elsewhere):
        receipts.keep(delivery.sink_id, {delivery.group_id: {"ts": "1.2"}})
    receipts.keep(first.sink_id, {first.group_id: {}})
    assert receipts.of([first, second]) == {second.group_id: {"ts": "1.2"}}
    assert Receipt.objects.count() == 2


def test_nothing_to_keep_asks_the_database_nothing(owed, django_assert_num_queries):
    with django_assert_num_queries(0):
        receipts.keep(owed[0].sink_id, {})
