"""Requests as a machine makes them: JSON with a token."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests import build


class Caller:
    """Whoever holds a token of a role."""

    def __init__(self, client: Client, role: str) -> None:
        self._client = client
        self._token = f"sa_{role}"
        build.token(role, self._token)

    def ask(self, method: str, path: str, body: Any = None, **query: object) -> HttpResponse:
        """The answer to a request below `/api/v1`."""
        headers = {"Authorization": f"Bearer {self._token}"}
        kept = {"query_params": query} if query else {}
        if method == "GET":
            return self._client.get(f"/api/v1{path}", headers=headers, **kept)
        send = getattr(self._client, method.lower())
        return send(f"/api/v1{path}", body, content_type="application/json", headers=headers, **kept)

    def get(self, path: str, **query: object) -> Any:
        """What is read, as JSON."""
        return self.json("GET", path, **query)

    def json(self, method: str, path: str, body: Any = None, **query: object) -> Any:
        """What a request that succeeds is answered."""
        answer = self.ask(method, path, body, **query)
        assert answer.status_code in (200, 201), answer.content
        return answer.json()

    def refusal(self, method: str, path: str, body: Any = None, **query: object) -> tuple[int, Any]:
        """Status and problem of a request that fails."""
        answer = self.ask(method, path, body, **query)
        assert answer["Content-Type"] == "application/problem+json", answer.content
        return answer.status_code, answer.json()
