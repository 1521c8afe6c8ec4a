"""How many stored alerts wait to be routed."""

from routing.models import Unrouted


def waiting(at_most: int) -> int:
    """The alerts that wait, counted no further than `at_most`: a long queue costs no more to count than that."""
    return Unrouted.objects.order_by()[:at_most].count()
