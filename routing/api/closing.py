"""That the server is about to stop, in time for requests that wait long: streams and long polls.

A server that stops waits for its open connections first, and tells the application (ASGI's lifespan) only
then. So the signal itself is listened to, beside the server's own handling of it.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Closing:
    """Set once the process was told to stop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def watch(self) -> None:
        """Listens from now on; call it on the event loop, after the server set its own signals up.

        Only the main thread may: an event loop elsewhere is stopped by whoever started it, with `close`.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            previous = signal.getsignal(number)

            def heard(number: int, frame: FrameType | None, previous: Any = previous) -> None:
                loop.call_soon_threadsafe(self._event.set)
                if callable(previous):
                    previous(number, frame)

            signal.signal(number, heard)
            # As event loops have it: the loop's own calls are not interrupted.
            signal.siginterrupt(number, False)

    def close(self) -> None:
        """Ends what waits; call it on the event loop."""
        self._event.set()

    async def until_any(self, *waits: Coroutine[Any, Any, Any]) -> tuple[asyncio.Task[Any], ...]:
        """Runs these until the first one ends or the server stops; then they are cancelled where unfinished."""
        tasks = tuple(asyncio.create_task(wait) for wait in waits)
        closing = asyncio.create_task(self._event.wait())
        try:
            await asyncio.wait({*tasks, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, closing):
                task.cancel()
            await asyncio.gather(*tasks, closing, return_exceptions=True)
        return tasks
