"""The first page: is something going on, does the product itself work, and what is still to be set up."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from routing import finding
from routing.access import requires
from routing.models import ActionRun, Alert, AlertGroup, Delivery, Route, Sensor, Sink
from routing.presence import LATE_AFTER
from routing.views import charts
from routing.views.costly import remembered
from routing.views.show import show

# Name in the URL, words, one column's time in words and as such, columns.
SPANS = {
    "1h": ("Last hour", "minute", timedelta(minutes=1), 60),
    "6h": ("Last 6 hours", "6 minutes", timedelta(minutes=6), 60),
    "24h": ("Last 24 hours", "half hour", timedelta(minutes=30), 48),
    "7d": ("Last 7 days", "4 hours", timedelta(hours=4), 42),
}
TOP = 6


@require_safe
@requires("view")
def overview(request: HttpRequest) -> HttpResponse:
    """Figures, the chart and rankings for a span of time; refreshed in place as alerts arrive."""
    now = timezone.now()
    span = request.GET.get("span", "1h")
    span = span if span in SPANS else "1h"
    words, each, step, columns = SPANS[span]
    start = charts.aligned(now, step, columns)
    alerts = finding.between(start, None)
    awaiting = ActionRun.objects.filter(state="awaiting_approval").order_by("expires_at")
    context = {
        "span": span,
        "spans": [(name, SPANS[name][0]) for name in SPANS],
        "words": words.lower(),
        "each": each,
        "bands": charts.BANDS,
        "chart": remembered(f"chart:{span}", lambda: _chart(alerts, start, step, columns)),
        "rules": remembered(f"rules:{span}", lambda: _top(alerts, "rule")),
        "hosts": remembered(f"hosts:{span}", lambda: _top(alerts, "hostname")),
        "groups": AlertGroup.objects.aggregate(
            firing=Count("pk", filter=Q(state="firing")), acknowledged=Count("pk", filter=Q(state="acknowledged"))
        ),
        "open_groups": AlertGroup.objects.filter(state="firing").order_by("priority", "-last_seen_at")[:6],
        "awaiting": awaiting[:5],
        "awaiting_count": awaiting.count(),
        "recent_runs": ActionRun.objects.exclude(state="awaiting_approval").order_by("-requested_at")[:5],
        "sensors": Sensor.objects.aggregate(
            online=Count("pk", filter=Q(native=True, last_seen_at__gte=now - LATE_AFTER)),
            late=Count("pk", filter=Q(native=True, last_seen_at__lt=now - LATE_AFTER)),
            others=Count("pk", filter=Q(native=False)),
        ),
        "deliveries": _deliveries(start),
        "steps": _steps(),
    }
    return show(request, "overview.html", context, part="_overview.html")


def _chart(alerts: QuerySet[Alert], start: datetime, step: timedelta, columns: int) -> charts.Chart:
    step_ns = int(step.total_seconds()) * 10**9
    first = int(start.timestamp()) * 10**9 // step_ns
    placed = alerts.order_by().annotate(column=F("time_ns") / step_ns - first)
    counts = placed.values_list("column", "priority").annotate(n=Count("pk"))
    return charts.stacked(counts, start, step, columns)


def _top(alerts: QuerySet[Alert], column: str) -> list[charts.Bar]:
    ranked = alerts.order_by().values_list(column).annotate(n=Count("pk")).order_by("-n", column)[:TOP]
    return charts.bars(list(ranked))


def _deliveries(start: datetime) -> dict[str, Any]:
    # Three questions, for each has an index, and most of the table is of no interest.
    settled = Delivery.objects.filter(settled_at__gte=start)
    pending = Delivery.objects.filter(state__in=["queued", "sending"])
    counts: dict[str, Any] = settled.aggregate(
        sent=Count("pk", filter=Q(state="sent")), failed=Count("pk", filter=Q(state__in=["failed", "unknown"]))
    )
    counts |= pending.aggregate(pending=Count("pk"), oldest=Min("created_at"))
    counts["dead"] = Delivery.objects.filter(state="failed").count()
    done = counts["sent"] + counts["failed"]
    return counts | {"percent": f"{100 * counts['sent'] / done:.4g}" if done else None}


def _steps() -> list[tuple[str, bool]]:
    """What a new installation still needs, in order; nothing once all is done."""
    steps = [
        ("sensor", Sensor.objects.exists()),
        ("alert", Alert.objects.exists()),
        ("sink", Sink.objects.filter(enabled=True).exists()),
        ("route", Route.objects.filter(enabled=True, sinks__enabled=True).exists()),
        ("sent", Delivery.objects.filter(state="sent").exists()),
    ]
    return [] if all(done for _, done in steps) else steps
