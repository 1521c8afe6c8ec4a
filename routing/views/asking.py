"""Who asks for something, and from where."""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def person(request: HttpRequest) -> User:
    """The signed-in person; for views behind `requires`, which lets nobody else through."""
    return cast(User, request.user)


def address(request: HttpRequest) -> str | None:
    """Where the request comes from, for the audit log."""
    return request.META.get("REMOTE_ADDR") or None


def way_back(request: HttpRequest, otherwise: str) -> str:
    """The page that the form names as its `next`, if it is one of ours."""
    wanted = request.POST.get("next", "")
    ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if ours else otherwise
