"""The stream of alerts as they arrive."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from routing.access import requires
from routing.models import Alert
from routing.views.alert_filter import AlertFilter
from routing.views.show import show

SHOWN = 50
# More than this since the last look is only counted: nobody reads three hundred rows in a second.
AT_ONCE = 200


@require_safe
@requires("view")
def live(request: HttpRequest) -> HttpResponse:
    """The newest alerts; with `after`, those that came since that one, for the script that puts them on top."""
    form = AlertFilter(request.GET)
    found = form.apply(Alert.objects.order_by("-pk"))
    after = request.GET.get("after", "")
    if after.isdecimal():
        found = found.filter(pk__gt=int(after))
    rows = list(found[: AT_ONCE if after else SHOWN])
    newest = rows[0].pk if rows else (after or _newest())
    context: dict[str, Any] = {
        "form": form,
        "query": form.query(),
        "rows": rows,
        "newest": newest,
        "more": found.count() - AT_ONCE if after and len(rows) == AT_ONCE else 0,
    }
    return show(request, "live.html", context, part="alerts/_live_rows.html")


def _newest() -> int:
    newest = Alert.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0
