import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from routing import patience
from routing.patience import OutOfTime, at_most
from tests.elsewhere import WAIT, elsewhere

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


on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite waits for nobody but itself")


@on_postgresql
def test_no_statement_of_a_limited_process_takes_for_ever() -> None:
    connection_created.disconnect(dispatch_uid=patience.__name__)
    patience.limit(0.1)
    try:
        with pytest.raises(OperationalError, match="statement timeout"):
            elsewhere(run, "SELECT pg_sleep(20)").result(WAIT)
    finally:
        connection_created.disconnect(dispatch_uid=patience.__name__)
    assert elsewhere(run, "SHOW statement_timeout").result(WAIT) == ("0",)


@on_postgresql
def test_the_web_process_is_limited() -> None:
    code = "from sensorapp import asgi; from django.db import connection; cursor = connection.cursor(); "
    code += "cursor.execute('SHOW statement_timeout'); print(cursor.fetchone()[0])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "30s"
