"""The `Authorization` header of sinks that take a user name and password, or a token."""

import base64


def basic(username: str, password: str) -> str:
    """A user name and password as RFC 7617 encodes them."""
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def authorization(username: str, password: str, token: str, *, scheme: str = "Bearer") -> dict[str, str]:
    """The header, or none where nothing is given; a token goes before a user name."""
    if token:
        return {"Authorization": f"{scheme} {token}"}
    if username:
        return {"Authorization": f"Basic {basic(username, password)}"}
    return {}
