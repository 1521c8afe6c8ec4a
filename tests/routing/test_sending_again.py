"""What a person sends again, beside workers that have it in hand."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from routing import resending
from routing.models import AuditEntry, Delivery
from tests import build
from tests.build import NOW, owed
from tests.elsewhere import WAIT, elsewhere, until_somebody_waits

pytestmark = pytest.mark.django_db


def test_a_test_is_in_no_range_that_is_sent_again(bob: User) -> None:
    sink = build.sink()
    failed = owed(sink, state="failed")
    owed(sink, state="failed", event="test")
    assert resending.retry_all(Delivery.objects.all(), bob, NOW) == [failed.pk]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_what_a_worker_takes_at_this_moment_is_not_sent_again(bob: User) -> None:
    delivery = owed(build.sink())
    with transaction.atomic():
        Delivery.objects.update(state="sending", claim=uuid4(), lease_until=NOW + timedelta(minutes=1))
        asking = elsewhere(resending.retry, delivery, bob, NOW)
        until_somebody_waits(asking)
    assert asking.result(WAIT) is False
    assert Delivery.objects.get().state == "sending"
    assert not AuditEntry.objects.exists()
