"""The API for machines, with its description at `docs` and `openapi.json`.

The paths that carry load are served before Django sees them (`entry`); they are described here all the same.
"""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from routing.api import alerts, definitions, deliveries, raw_paths, routes, sensors, silences, simulate, sinks
from routing.api.problems import CONTENT_TYPE, Problem, without_a_database
from sensor.version import VERSION

log = structlog.get_logger(__name__)


class Api(NinjaAPI):
    """Ninja's, with the raw paths and the refusals added to the description."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(*args, **kwargs)
        for methods in schema["paths"].values():
            for operation in methods.values():
                operation["responses"].update(raw_paths.REFUSED)
        for described, methods in raw_paths.DESCRIPTION.items():
            schema["paths"].setdefault(described, {}).update(methods)
        schema["components"]["securitySchemes"].update(raw_paths.SECURITY)
        return schema


api = Api(title="sensorapp", version=VERSION, description=__doc__, urls_namespace="api")
api.add_router("", alerts.router)
api.add_router("", sensors.router)
for router in (sinks.router, deliveries.router, simulate.router, routes.router, silences.router, *definitions.ROUTERS):
    api.add_router("", router)


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return HttpResponse(problem.encoded(), status=problem.status, content_type=CONTENT_TYPE, headers=problem.headers)


@api.exception_handler(AuthenticationError)
def on_stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    challenge = {"WWW-Authenticate": "Bearer"}
    return on_problem(request, Problem(401, "A valid token is needed: Authorization: Bearer TOKEN.", challenge))


@api.exception_handler(PermissionDenied)
def on_denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return on_problem(request, Problem(403, str(error) or "This token may not do that."))


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    wrong = [{"field": ".".join(map(str, item["loc"])), "reason": item["msg"]} for item in error.errors]
    return on_problem(request, Problem(422, "The request does not say what it must.", errors=wrong))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_no_database(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("database_away", path=request.path, error=str(error))
    return on_problem(request, without_a_database())


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return on_problem(request, Problem(error.status_code, str(error)))


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return on_problem(request, Problem(404, "There is nothing here."))


urlpatterns = [path("", api.urls)]
