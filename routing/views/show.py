"""A page, or only the part of it that htmx asked for."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers


def wants_part(request: HttpRequest) -> bool:
    """Whether htmx asks; the whole page where it only restores its history."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def show(
    request: HttpRequest, page: str, context: dict[str, Any], *, part: str | None = None, status: int = 200
) -> HttpResponse:
    """The page, or its `part` template for htmx; both with the same context, so they cannot differ."""
    template = part if part and wants_part(request) else page
    response = render(request, template, context, status=status)
    # Without it a browser's Back button shows the bare part.
    patch_vary_headers(response, ["HX-Request"])
    return response
