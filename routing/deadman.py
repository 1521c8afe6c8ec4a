"""A sign of life for somebody outside: a URL that is asked while all is well, and rings there when it stops.

Nobody in here can tell people that everything in here is dead. Services like healthchecks.io can.
"""

import structlog
from django.conf import settings

from routing import metrics, outbound

log = structlog.get_logger(__name__)

TOTAL_SECONDS = 10.0


def ping() -> bool | None:
    """Ask `DEADMAN_URL` once; whether it was taken, None where there is none. The address is a secret, never logged."""
    if not settings.DEADMAN_URL:
        return None
    try:
        status = outbound.request("GET", settings.DEADMAN_URL, total=TOTAL_SECONDS).status
        problem = f"it answered {status}" if status >= 400 else ""
    except outbound.OutboundError as error:
        problem = str(error)
    metrics.DEADMAN_PINGS.add(1, "failed" if problem else "taken")
    if problem:
        log.warning("deadman_not_pinged", error=problem)
    return not problem
