"""What Django itself refuses below `/api/` (no such path, another method, a strange host), as problem details."""

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from routing.api.problems import CONTENT_TYPE, Problem

BELOW = "/api/"
DETAILS = {
    400: "The request is damaged or too large, or its host name is not in ALLOWED_HOSTS.",
    404: "There is nothing here.",
}


class Refusals(MiddlewareMixin):
    """Comes first, so that it sees also what the other middleware refuses."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Other pages' refusals, and those that are problem details already, stay as they are."""
        status = response.status_code
        if status < 400 or not request.path.startswith(BELOW) or response.headers["Content-Type"] == CONTENT_TYPE:
            return response
        detail = f"Use {response.headers['Allow']}." if status == 405 else DETAILS.get(status, "The request failed.")
        response.content = Problem(status, detail).encoded()
        response.headers["Content-Type"] = CONTENT_TYPE
        response.headers["Content-Length"] = str(len(response.content))
        return response
