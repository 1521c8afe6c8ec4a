import time

import pytest
from django.db import OperationalError, connection

from routing.patience import OutOfTime, at_most

pytestmark = pytest.mark.django_db(transaction=True)

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def run(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def test_a_query_that_takes_too_long_ends() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTime), at_most(0.1):
        run(ENDLESS)
    assert time.monotonic() - began < 10


def test_afterwards_others_take_as_long_as_they_want() -> None:
    with pytest.raises(OutOfTime), at_most(0.01):
        run(ENDLESS)
    slow = ENDLESS.replace("FROM n)", "FROM n WHERE i < 300000)")
    assert run(slow) == (300_000,)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(OperationalError), at_most(1):
        raise OperationalError("the disk is full")
