"""librdkafka through its C interface (rdkafka.h), as far as writing records needs it.

The library dials by itself: any address that a cluster names, whenever it likes. Only its `connect_cb` sees where a
connection goes before it is made, and the Python binding does not offer it; so the binding is installed for the library
that comes with it, and not imported. docs/decisions/kafka-by-its-c-interface.md has the reasons.
"""

import ctypes
import errno
import socket
import sys
import time
import weakref
from collections.abc import Iterable, Mapping
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from importlib.metadata import files
from typing import Any

from routing.outbound import AddressRefused, may_connect

PACKAGE = "confluent-kafka"
_TEXT = 512
"""Bytes that the library may fill with what is wrong."""
_POLL_MS = 50

# Names and values of rdkafka.h.
_PRODUCER = 0
_CONF_OK = 0
_PURGE_QUEUE, _PURGE_INFLIGHT = 0x1, 0x2
_MSG_F_COPY = 0x2
_NOT_PERSISTED = 0
_TOPIC, _VALUE, _KEY, _MSGFLAGS, _HEADER = 1, 4, 5, 7, 9


class _Bytes(ctypes.Structure):
    _fields_ = (("pointer", ctypes.c_char_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p), ("size", ctypes.c_ssize_t))


class _Of(ctypes.Union):
    _fields_ = (
        ("text", ctypes.c_char_p),
        ("number", ctypes.c_int),
        ("bytes", _Bytes),
        ("header", _Header),
        ("room", ctypes.c_char * 64),
    )


class _Argument(ctypes.Structure):
    """rd_kafka_vu_t"""

    _fields_ = (("kind", ctypes.c_int), ("of", _Of))


class _Message(ctypes.Structure):
    """rd_kafka_message_t"""

    _fields_ = (
        ("error", ctypes.c_int),
        ("topic", ctypes.c_void_p),
        ("partition", ctypes.c_int32),
        ("payload", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("key", ctypes.c_void_p),
        ("key_length", ctypes.c_size_t),
        ("offset", ctypes.c_int64),
        ("private", ctypes.c_void_p),
    )


_ON_CONNECT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
)
_ON_ERROR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_ON_REPORT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Message), ctypes.c_void_p)


class Failed(Exception):
    """An error of the library or of a broker. `name` is the protocol's; the library's own start with an underscore."""

    def __init__(self, name: str, text: str, *, arrived: bool = False) -> None:
        super().__init__(text)
        self.name = name
        self.arrived = arrived


@dataclass(frozen=True)
class _Report:
    """What became of a record."""

    error: int
    partition: int
    offset: int
    arrived: bool


class NotInstalled(Exception):
    """The library is not there; the text says what to do."""


def _path() -> str:
    """Where the library is: wheels of the binding bring it along, and without one it is the system's."""
    bundled = [str(path.locate()) for path in files(PACKAGE) or () if path.name.startswith("librdkafka")]
    found = bundled[0] if bundled else find_library("rdkafka")
    if found is None:
        raise NotInstalled(f"{PACKAGE} is installed without librdkafka; install the package librdkafka1, or a wheel")
    return found


@cache
def library() -> ctypes.CDLL:
    """Raises NotInstalled."""
    opened = ctypes.CDLL(_path())
    pointers = ("conf_new", "new", "produceva")
    texts = ("err2name", "err2str", "error_string")
    for names, kind in ((pointers, ctypes.c_void_p), (texts, ctypes.c_char_p)):
        for name in names:
            getattr(opened, f"rd_kafka_{name}").restype = kind
    return opened


def _connect(refused: list[str]) -> Any:
    """A callback that connects where we may, and notes where we may not. It runs on the library's threads."""
    system = ctypes.CDLL(None, use_errno=True)

    def connect(descriptor: int, address: int, length: int, name: bytes, opaque: int) -> int:
        raw = ctypes.string_at(address, length)
        family = int.from_bytes(raw[:2], sys.byteorder)
        # struct sockaddr_in and sockaddr_in6, ip(7) and ipv6(7).
        place = socket.inet_ntop(family, raw[4:8] if family == socket.AF_INET else raw[8:24])
        if not may_connect(place):
            refused.append(place)
            return errno.EACCES
        if system.connect(descriptor, ctypes.c_void_p(address), length) == 0:
            return 0
        problem = ctypes.get_errno()
        return 0 if problem == errno.EINPROGRESS else problem

    return _ON_CONNECT(connect)


class Producer:
    """A connection to a cluster, for one thread."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """`settings` by the library's names. Raises Failed where they cannot be used."""
        self.settings = dict(settings)
        self._library = library()
        self._refused: list[str] = []
        self._troubles: list[Failed] = []
        self._reports: list[_Report] = []
        configuration, callbacks = self._configured()
        said = ctypes.create_string_buffer(_TEXT)
        handle = self._library.rd_kafka_new(_PRODUCER, configuration, said, ctypes.c_size_t(_TEXT))
        if not handle:
            self._library.rd_kafka_conf_destroy(configuration)
            raise Failed("_INVALID_ARG", said.value.decode("utf-8", "replace"))
        self._handle = ctypes.c_void_p(handle)
        # The callbacks must outlive the library's threads.
        self._end = weakref.finalize(self, _destroy, self._library, self._handle, callbacks)

    def _configured(self) -> tuple[ctypes.c_void_p, tuple[Any, ...]]:
        library, troubles, reports = self._library, self._troubles, self._reports
        configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
        said = ctypes.create_string_buffer(_TEXT)
        for name, value in self.settings.items():
            size = ctypes.c_size_t(_TEXT)
            if library.rd_kafka_conf_set(configuration, name.encode(), value.encode(), said, size) != _CONF_OK:
                library.rd_kafka_conf_destroy(configuration)
                raise Failed("_INVALID_ARG", said.value.decode("utf-8", "replace"))

        def on_error(handle: int, code: int, text: bytes, opaque: int) -> None:
            troubles.append(Failed(_name(library, code), text.decode("utf-8", "replace")))

        def on_report(handle: int, message: Any, opaque: int) -> None:
            one = message.contents
            arrived = library.rd_kafka_message_status(message) != _NOT_PERSISTED
            reports.append(_Report(one.error, one.partition, one.offset, arrived))

        callbacks = (_connect(self._refused), _ON_ERROR(on_error), _ON_REPORT(on_report))
        library.rd_kafka_conf_set_connect_cb(configuration, callbacks[0])
        library.rd_kafka_conf_set_error_cb(configuration, callbacks[1])
        library.rd_kafka_conf_set_dr_msg_cb(configuration, callbacks[2])
        return configuration, callbacks

    def write(
        self, topic: str, key: str, headers: Mapping[str, str], body: bytes, *, seconds: float, hopeless: Iterable[str]
    ) -> str:
        """Write a record and wait for what becomes of it; where it is.

        `hopeless` are the errors of a connection after which nothing more is waited for. Raises Failed, and
        AddressRefused where a broker is at an address that must not be reached.
        """
        self._reports.clear()
        self._hand_over(topic, key, headers, body)
        until = time.monotonic() + seconds
        while not self._reports and not self._refused and time.monotonic() < until:
            self._library.rd_kafka_poll(self._handle, _POLL_MS)
            if {trouble.name for trouble in self._troubles} & set(hopeless):
                break
        report = self._reports[0] if self._reports else self._taken_back()
        if report.error == 0:
            return f"partition {report.partition}, offset {report.offset}"
        if self._refused:
            raise AddressRefused(
                f"A broker is at {self._refused[0]}, which is not a public address; "
                "an administrator can allow it with OUTBOUND_ALLOW"
            )
        raise self._failure(report)

    def _hand_over(self, topic: str, key: str, headers: Mapping[str, str], body: bytes) -> None:
        spelled = key.encode()
        arguments = [
            _Argument(_TOPIC, _Of(text=topic.encode())),
            _Argument(_KEY, _Of(bytes=_Bytes(spelled, len(spelled)))),
            _Argument(_VALUE, _Of(bytes=_Bytes(body, len(body)))),
            _Argument(_MSGFLAGS, _Of(number=_MSG_F_COPY)),
        ]
        for name, value in headers.items():
            # A size of -1: the value ends with a zero byte, which Python puts there.
            arguments.append(_Argument(_HEADER, _Of(header=_Header(name.encode(), value.encode(), -1))))
        count = ctypes.c_size_t(len(arguments))
        error = self._library.rd_kafka_produceva(self._handle, (_Argument * len(arguments))(*arguments), count)
        if error:
            told = ctypes.c_void_p(error)
            code = self._library.rd_kafka_error_code(told)
            text = self._library.rd_kafka_error_string(told).decode("utf-8", "replace")
            self._library.rd_kafka_error_destroy(told)
            raise Failed(_name(self._library, code), text)

    def _taken_back(self) -> _Report:
        """What became of the record that is not waited for any longer."""
        self._library.rd_kafka_purge(self._handle, _PURGE_QUEUE | _PURGE_INFLIGHT)
        self._library.rd_kafka_poll(self._handle, _POLL_MS)
        return self._reports[0] if self._reports else _Report(-1, 0, 0, arrived=True)

    def _failure(self, report: _Report) -> Failed:
        """The record's own error, or that of the connection for which it waited."""
        name = _name(self._library, report.error)
        text = self._library.rd_kafka_err2str(report.error).decode("utf-8", "replace")
        if name.startswith("_") and self._troubles:
            # That no broker can be reached is said by all of them; one says why.
            told = [trouble for trouble in self._troubles if trouble.name != "_ALL_BROKERS_DOWN"] or self._troubles
            for better in ("_SSL", "_AUTHENTICATION"):
                told = [trouble for trouble in told if trouble.name == better] or told
            name, text = told[0].name, str(told[0])
        return Failed(name, text, arrived=report.arrived)

    def forget(self) -> None:
        """What went wrong while nothing was written says nothing about the next record."""
        self._library.rd_kafka_poll(self._handle, 0)
        self._troubles.clear()
        self._refused.clear()

    def close(self) -> None:
        self._end()


def _destroy(library: ctypes.CDLL, handle: ctypes.c_void_p, callbacks: tuple[Any, ...]) -> None:
    library.rd_kafka_purge(handle, _PURGE_QUEUE | _PURGE_INFLIGHT)
    library.rd_kafka_destroy(handle)


def _name(library: ctypes.CDLL, code: int) -> str:
    found: bytes = library.rd_kafka_err2name(code)
    return found.decode()
