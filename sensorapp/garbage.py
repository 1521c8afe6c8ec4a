"""How often Python looks for reference cycles, in processes that make many objects and few cycles."""

import gc

OBJECTS_BETWEEN_LOOKS = 50_000
"""More than a batch of alerts is made of. They die with their batch; Python's default of 700 looks through all of them
again and again, a sixth of what routing took."""


def look_less_often() -> None:
    """Call it once everything is loaded: what lives as long as the process is never looked through again.

    To look through all that Django loads takes a tenth of a second, in which no post is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
