"""When an exchange with another machine must be over: its connection is then cut under whoever reads or writes it.

A peer that sends a byte every few seconds never hits a timeout, for every byte restarts it, and TLS handshakes, sizes
of chunks and trailers are read in loops of libraries that know no other limit.
"""

import socket
import threading
import time


class Deadline:
    """Cuts the connection that it watches, unless it is closed before its time is over."""

    def __init__(self, seconds: float) -> None:
        self.at = time.monotonic() + seconds
        """On the monotonic clock."""
        self._handle: socket.socket | None = None

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.at

    def watch(self, connection: socket.socket) -> None:
        """Cut this connection, in place of the one that was watched before."""
        self.close()
        # A handle of our own: TLS takes the socket's away from it while it is being agreed on.
        self._handle = socket.fromfd(connection.fileno(), connection.family, connection.type)
        _watch.add(self)

    def cut(self) -> None:
        if self._handle is not None:
            try:
                self._handle.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # The peer closed it already.

    def close(self) -> None:
        """Cut nothing any more."""
        if self._handle is not None:
            _watch.remove(self)
            self._handle.close()
            self._handle = None


class _Watch:
    """One thread for all deadlines, for a thread each would cost more than the exchange."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[Deadline] = set()
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched.add(deadline)
            # A process that was forked off has none of the threads.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif deadline.at < self._wakes_at:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._watched.discard(deadline)

    def _run(self) -> None:
        with self._changed:
            while True:
                for deadline in self._watched:
                    if deadline.over:
                        deadline.cut()
                now = time.monotonic()
                # It sleeps on where everything ended in time: the next deadline is later than those before it.
                self._wakes_at = min((one.at for one in self._watched if one.at > now), default=float("inf"))
                self._changed.wait(None if self._wakes_at == float("inf") else self._wakes_at - now)


_watch = _Watch()
