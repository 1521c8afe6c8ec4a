"""Who did what, and whether the record is whole."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from routing import audit as service
from routing.access import requires
from routing.models import AuditEntry
from routing.paging import page
from routing.views.show import show


@require_safe
@requires("administer")
def audit(request: HttpRequest) -> HttpResponse:
    """Entries, newest first; `actor` and `verb` narrow them."""
    actor, verb = request.GET.get("actor", "").strip(), request.GET.get("verb", "").strip()
    entries = AuditEntry.objects.all()
    if actor:
        entries = entries.filter(actor__icontains=actor)
    if verb:
        entries = entries.filter(verb=verb)
    context = {
        "page": page(entries, request.GET.get("before", ""), by="at"),
        "actor": actor,
        "verb": verb,
        "verbs": AuditEntry.objects.order_by("verb").values_list("verb", flat=True).distinct(),
    }
    return show(request, "audit/list.html", context, part="audit/_rows.html")


@require_POST
@requires("administer")
def verify(request: HttpRequest) -> HttpResponse:
    """Walk the chain of hashes and say whether it fits."""
    verdict = service.verify()
    if verdict.broken_at is None:
        messages.success(request, f"All {verdict.entries:,} entries fit together; none was changed or removed.")
    else:
        messages.error(request, f"Entry {verdict.broken_at} does not fit: {verdict.problem}.")
    return redirect("audit")
