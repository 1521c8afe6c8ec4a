"""The stream of alerts as they arrive."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from routing import finding
from routing.access import requires
from routing.views import arrivals
from routing.views.alert_filter import AlertFilter
from routing.views.show import show

SHOWN = 50
# More than this since the last look is only counted: nobody reads three hundred rows in a second.
AT_ONCE = 200
# Two processes store at the same time, and the later moment may be seen first: the page leaves out what it has.
OVERLAP = timedelta(seconds=2)


@require_safe
@requires("view")
def live(request: HttpRequest) -> HttpResponse:
    """The newest alerts; with `after`, those that arrived since, for the script that puts them on top."""
    form = AlertFilter(request.GET)
    now = timezone.now()
    alerts, search = form.alerts(), form.search()
    more = 0
    if after := request.GET.get("after", ""):
        alerts, search = arrivals.since(alerts, search, arrivals.read(after, now) - OVERLAP)
        rows = finding.find(alerts, search, None, AT_ONCE).alerts
        if len(rows) == AT_ONCE:
            more = finding.count(alerts, search).number - AT_ONCE
    else:
        rows = finding.find(alerts, search, None, SHOWN).alerts
    newest = max((alert.received_at for alert in rows), default=now)
    context = {"form": form, "query": form.query(), "rows": rows, "newest": newest.isoformat(), "more": more}
    return show(request, "live.html", context, part="alerts/_live_rows.html")
