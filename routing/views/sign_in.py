"""Signing in and out. Five wrong passwords lock the name for that address (django-axes)."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from routing.views.show import wants_part


class SignIn(LoginView):
    template_name = "sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The page; where a part of another page was asked for, the session ended, and htmx must reload that one."""
        if wants_part(request):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return super().dispatch(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The form with its error, or 429 and how long the lock lasts."""
        if not getattr(self.request, "axes_locked_out", False):
            return super().form_invalid(form)
        # Left set, the middleware of django-axes would put its own bare answer in the place of this page.
        self.request.axes_locked_out = False  # type: ignore[attr-defined]
        minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
        context: dict[str, Any] = {"locked": True, "minutes": minutes}
        return render(self.request, self.template_name, context, status=429)


sign_in = SignIn.as_view()
sign_out = LogoutView.as_view()
