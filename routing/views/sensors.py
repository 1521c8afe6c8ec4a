"""The sensors as they last reported themselves, and how to connect another."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from routing.access import requires
from routing.models import Ruleset, Sensor
from routing.presence import LATE_AFTER
from routing.views.show import show


@require_safe
@requires("view")
def sensors(request: HttpRequest) -> HttpResponse:
    """Every sensor, the late ones first."""
    now = timezone.now()
    newest = Ruleset.objects.first()
    rows = [
        # Another sender, such as a Falco, says nothing between its alerts, so its silence is no sign of trouble.
        {"sensor": sensor, "late": sensor.native and now - sensor.last_seen_at > LATE_AFTER}
        for sensor in Sensor.objects.select_related("token").order_by("name")
    ]
    rows.sort(key=lambda row: not row["late"])
    context = {"rows": rows, "newest": newest.number if newest else 0, "site": settings.SITE_URL}
    return show(request, "sensors/list.html", context, part="sensors/_rows.html")
