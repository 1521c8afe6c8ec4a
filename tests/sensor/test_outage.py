import logging

from sensor.outage import GRACE_SECONDS, Outage


def test_a_short_outage_is_no_warning_and_a_long_one_is():
    outage = Outage()
    assert [outage.level(100.0), outage.level(100.0 + GRACE_SECONDS - 0.1)] == [logging.DEBUG, logging.DEBUG]
    assert outage.level(100.0 + GRACE_SECONDS) == logging.WARNING
    assert outage.level(1000.0) == logging.WARNING


def test_after_an_answer_the_next_outage_begins_anew():
    outage = Outage()
    outage.level(100.0)
    outage.over()
    assert outage.level(100.0 + GRACE_SECONDS) == logging.DEBUG
