"""When a delivery that failed is tried again. Pure: the caller rolls the dice."""

from datetime import timedelta

# Ceilings in seconds. The wait is anywhere between nothing and the ceiling ("full jitter": of all schemes it spreads
# a crowd of retries best), so on average it is half: about three days in all, and about five hours for paging kinds,
# for nobody is helped by a page of last Friday.
_PATIENT = (10, 60, 300, 1200, 3600, 10_800, 21_600, 43_200, 86_400, 86_400, 86_400, 86_400, 86_400)
_PAGING = (5, 10, 20, 40, 80, 160, 300, 600, 1200, 1800, 3600, 3600, 7200, 7200, 7200)
_LONGEST = timedelta(days=3), timedelta(hours=5)
"""How long a delivery is tried at most, and one of a paging kind: the same spans, however seldom its turn comes."""
_PAGING_PATIENCE = 900.0
"""Seconds after which a receiver that pages is asked again, whatever it names: one answer must not hold back a day."""
LONG = 4.0
"""Seconds after which a failed try has cost more than itself: a worker's thread that others waited for."""
_CREDENTIALS = (900, 3600)
"""Least and most seconds before credentials that were refused are tried again: often enough to notice that they were
mended, seldom enough not to be locked out."""


def most_attempts(paging: bool) -> int:
    """How often a delivery is tried before it is given up."""
    return len(_PAGING if paging else _PATIENT) + 1


def longest(paging: bool) -> timedelta:
    """How long a delivery is tried before it is given up."""
    return _LONGEST[paging]


def after_trouble(attempts: int, paging: bool, retry_after: float | None, roll: float) -> timedelta:
    """How long to wait after `attempts` failed tries; `roll` is in [0, 1).

    A receiver that names a time is not asked before it, and not by everybody at once after it.
    """
    ceilings = _PAGING if paging else _PATIENT
    ceiling = ceilings[min(attempts, len(ceilings)) - 1]
    if retry_after is not None:
        asked = min(retry_after, _PAGING_PATIENCE) if paging else retry_after
        return timedelta(seconds=asked + roll * min(ceiling, max(1.0, asked / 4)))
    return timedelta(seconds=max(1.0, roll * ceiling))


def after_refused_credentials(roll: float) -> timedelta:
    """How long to wait after the receiver refused the credentials."""
    least, most = _CREDENTIALS
    return timedelta(seconds=least + roll * (most - least))


def breaker_pause(failures: int, seconds: float) -> timedelta | None:
    """How long a sink is left alone after so many failures in a row, the last of which took so many seconds.

    None while it is not yet a pattern. A failure that held a worker for long is one at once.
    """
    doublings = failures - (1 if seconds >= LONG else 5)
    if doublings < 0:
        return None
    return timedelta(seconds=min(300, 15 * 2 ** min(doublings, 10)))
