"""Tokens at the API's door: who calls, and whether they may."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from routing import access
from routing.api import tokens
from routing.models import Token


class Bearer(HttpBearer):
    """Lets a token in that has a permission of `access.PERMISSIONS`; `request.auth` is then the token."""

    def __init__(self, permission: str) -> None:
        super().__init__()
        self.permission = permission

    def authenticate(self, request: HttpRequest, token: str) -> Token | None:
        """None for a token that is wrong or revoked; raises PermissionDenied for one with a role too few."""
        found = tokens.find(token, timezone.now())
        if found is not None:
            access.insist(found, self.permission)
        return found


def token_of(request: HttpRequest) -> Token:
    """The token that was let in."""
    token: Any = getattr(request, "auth", None)
    if not isinstance(token, Token):
        raise PermissionDenied("This takes a token.")
    return token
