"""The name of a request: in every log line about it, and in its answer's `X-Request-Id`."""

import re
from itertools import count
from secrets import token_hex

HEADER = b"x-request-id"
# A caller's own id is kept only if it can do no harm in a log.
HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Ours: this process, then which of its requests.
PROCESS, _numbers = token_hex(4), count(1)


def request_id(given: str) -> str:
    """The caller's id where it is harmless, or a new one."""
    return given if HARMLESS.fullmatch(given) else f"{PROCESS}{next(_numbers):08x}"
