"""GET /stream: tells an open page that something changed. Topic names only; the page then asks for itself."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.cookie import parse_cookie

from routing import access, doorbell
from routing.api.closing import Closing
from routing.api.in_threads import Threads
from routing.api.problems import Problem
from routing.api.wire import Request, Send

CHECK_SECONDS = 15.0
"""How often the permission is checked again, and how often a quiet stream says that it is there."""
GAP_SECONDS = 1.0
"""Between two events of a topic."""
LISTENING = b"retry: 2000\nevent: listening\ndata:\n\n"
"""Said once rings are heard: the page asks for what changed between its own answer and now."""
STILL_HERE = b": still here\n\n"


class Stream:
    """Server-sent events (HTML standard, section 9.2), for people who are signed in."""

    def __init__(self, threads: Threads, closing: Closing) -> None:
        self._threads = threads
        self._closing = closing

    async def __call__(self, request: Request, send: Send) -> None:
        """Raises Problem 401 for a stranger, 403 for another site's page."""
        if not same_site(request):
            raise Problem(403, "The stream is for this site's own pages.")
        session = parse_cookie(request.headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME, "")
        if not session or not await self._threads.run(may_view, session):
            raise Problem(401, "Sign in first.")
        headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def still_allowed() -> bool:
            return await self._threads.run(may_view, session)

        telling, _ = await self._closing.until_any(tell(send, still_allowed), request.left())
        if not telling.cancelled():
            telling.result()
        await send({"type": "http.response.body", "body": b""})


async def tell(send: Send, still_allowed: Callable[[], Awaitable[bool]]) -> None:
    """Pass rings on until the permission ends."""

    async def write(text: bytes) -> None:
        await send({"type": "http.response.body", "body": text, "more_body": True})

    clock = asyncio.get_running_loop().time
    async with doorbell.listen(*doorbell.TOPICS) as listener:
        await write(LISTENING)
        check_at = clock() + CHECK_SECONDS
        while True:
            rung = await listener.heard(check_at - clock())
            if clock() >= check_at:
                if not await still_allowed():
                    return
                await write(STILL_HERE)
                check_at = clock() + CHECK_SECONDS
            if rung:
                await write(b"".join(f"event: {topic}\ndata:\n\n".encode() for topic in sorted(rung)))
                await asyncio.sleep(GAP_SECONDS)


def same_site(request: Request) -> bool:
    """Whether this site's own page asks, as far as the browser says (Fetch Metadata, then Origin)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "same-site", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def may_view(session_key: str) -> bool:
    """Whether a session's user may look, by now."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return access.may(get_user(request), "view")
