"""Machines' credentials: made here, shown once, revoked here."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from routing import access, audit
from routing.access import requires
from routing.models import Role, Token
from routing.views.asking import address, person
from routing.views.show import show


class TokenForm(forms.Form):
    name = forms.CharField(max_length=100, help_text="Who or what will use it, such as the node's name.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.SENSOR, help_text="Sensors and Falco need Sensor.")


@require_http_methods(["GET", "HEAD", "POST"])
@requires("administer")
def tokens(request: HttpRequest) -> HttpResponse:
    """Every token; a POST makes one and shows it, this once."""
    form, made = TokenForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        made = _make(request, form.cleaned_data["name"], form.cleaned_data["role"])
        form = TokenForm()
    rows = Token.objects.order_by("-revoked_at", "-created_at")
    response = show(request, "tokens/list.html", {"form": form, "made": made, "rows": rows})
    response["Cache-Control"] = "no-store"
    return response


def _make(request: HttpRequest, name: str, role: str) -> str:
    plain, digest, hint = Token.make()
    with transaction.atomic():
        token = Token.objects.create(name=name, role=role, digest=digest, hint=hint, created_at=timezone.now())
        audit.record(person(request), "create", token, after={"name": name, "role": role}, ip=address(request))
    return plain


@require_POST
@requires("administer")
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """From now on it opens nothing."""
    token = access.token_for(request.user, pk)
    with transaction.atomic():
        if Token.objects.filter(pk=pk, revoked_at=None).update(revoked_at=timezone.now()):
            audit.record(person(request), "revoke", token, ip=address(request))
    messages.success(request, f"{token.name} is revoked; it stops working within five seconds.")
    return redirect("tokens")
