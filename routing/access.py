"""Who may do what: the one table of permissions, and the only way for a view to get an object."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from routing.models import (
    ActionRun,
    Alert,
    AlertGroup,
    Delivery,
    ResponseAction,
    Role,
    Route,
    RuleFile,
    Silence,
    Sink,
    Token,
)


class Operator(str):
    """Whoever has a shell on the server: a command by its name, or the product itself. May do everything."""

    __slots__ = ()


Who = AbstractBaseUser | AnonymousUser | Token | Operator
Actor = User | Token | Operator
"""Who changes something, as the audit log names them."""

# The least role that may do it.
PERMISSIONS = {
    "view": Role.VIEWER,  # every page and every read of the API
    "respond": Role.RESPONDER,  # acknowledge, comment, silence, send again
    "approve": Role.RESPONDER,  # approve and deny action runs
    "edit": Role.EDITOR,  # routes, sinks, response actions, rules
    "administer": Role.ADMIN,  # people, tokens, the audit log
    "report": Role.SENSOR,  # hello, rulesets, leases and results: sensors alone
}
LADDER = (Role.VIEWER, Role.RESPONDER, Role.EDITOR, Role.ADMIN)


def role_of(who: Who) -> Role | None:
    """The role somebody has now; None for a stranger, a closed account or a revoked token."""
    if isinstance(who, Operator):
        return Role.ADMIN
    if isinstance(who, Token):
        return Role(who.role) if who.revoked_at is None else None
    if not who.is_authenticated or not who.is_active:
        return None
    if getattr(who, "is_superuser", False):
        return Role.ADMIN
    member = getattr(who, "member", None)
    return Role(member.role) if member else Role.VIEWER


def may(who: Who, permission: str) -> bool:
    """Whether somebody may do it. A permission that is not in the table is a KeyError."""
    least, role = PERMISSIONS[permission], role_of(who)
    if role is None or least not in LADDER or role not in LADDER:
        return role is not None and role == least
    return LADDER.index(role) >= LADDER.index(least)


def insist(who: Who, permission: str) -> None:
    """Raises PermissionDenied, in words that say which role it takes."""
    if not may(who, permission):
        raise PermissionDenied(f"This takes the role {PERMISSIONS[permission].label} or more.")


P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def requires(
    permission: str,
) -> Callable[[Callable[Concatenate[HttpRequest, P], R]], Callable[Concatenate[HttpRequest, P], HttpResponseBase]]:
    """A view that takes a permission: strangers are sent to sign in, others without it get 403."""
    if permission not in PERMISSIONS:
        raise ValueError(f"{permission!r} is not a permission; use one of {', '.join(PERMISSIONS)}")

    def decorate(view: Callable[Concatenate[HttpRequest, P], R]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if role_of(request.user) is None:
                return redirect_to_login(request.get_full_path())
            insist(request.user, permission)
            return view(request, *args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined]  # read by tests: every view has one
        return guarded

    return decorate


M = TypeVar("M", bound=models.Model)


def _one(model: type[M], who: Who, to: str, related: tuple[str, ...] = (), **lookup: Any) -> M:
    insist(who, to)
    return get_object_or_404(model._default_manager.select_related(*related), **lookup)


def alert_for(who: Who, uuid: object, to: str = "view") -> Alert:
    return _one(Alert, who, to, ("sensor",), uuid=uuid)


def group_for(who: Who, pk: int, to: str = "view") -> AlertGroup:
    return _one(AlertGroup, who, to, ("route",), pk=pk)


def route_for(who: Who, pk: int, to: str = "view") -> Route:
    return _one(Route, who, to, pk=pk)


def silence_for(who: Who, pk: int, to: str = "view") -> Silence:
    return _one(Silence, who, to, ("author",), pk=pk)


def sink_for(who: Who, pk: int, to: str = "view") -> Sink:
    return _one(Sink, who, to, pk=pk)


def delivery_for(who: Who, pk: int, to: str = "view") -> Delivery:
    return _one(Delivery, who, to, ("sink", "route", "group"), pk=pk)


def action_for(who: Who, pk: int, to: str = "view") -> ResponseAction:
    return _one(ResponseAction, who, to, pk=pk)


def action_run_for(who: Who, uuid: object, to: str = "view") -> ActionRun:
    return _one(ActionRun, who, to, ("action", "group", "sensor", "decided_by"), uuid=uuid)


def definition_for(who: Who, model: type[M], pk: int, to: str = "view") -> M:
    return _one(model, who, to, pk=pk)


def rule_file_for(who: Who, pk: int, to: str = "view") -> RuleFile:
    return _one(RuleFile, who, to, pk=pk)


def token_for(who: Who, pk: int, to: str = "administer") -> Token:
    return _one(Token, who, to, pk=pk)
