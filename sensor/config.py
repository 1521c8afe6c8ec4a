"""The sensor's settings, section by section, with their defaults; `sensor.config_reader` fills them in.

docs/sensor.md has the same table for people, and a test keeps the two together.
"""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PULL = "pull"
"""The value of `rules.files` that means: ask the server."""


class ConfigError(Exception):
    """A setting that cannot be used; the message says which and what to write instead."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that never shows itself: printing, formatting or logging it gives stars."""

    _text: str = ""

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def reveal(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text


@dataclass(frozen=True, slots=True)
class Server:
    """Where alerts go."""

    url: str = ""
    """Base URL, for example https://alerts.example.org; empty only with --stdout."""
    token: Secret = Secret()
    token_file: str = ""
    """A file holding the token; read again when the server refuses it, so a token can be changed in place."""
    ca_file: str = ""
    """PEM certificates to trust instead of the system's."""

    def read_token(self) -> Secret:
        """The token from `token`, or else from `token_file`; ConfigError if it is missing or not a token."""
        token = self.token
        if not token and self.token_file:
            try:
                token = Secret(Path(self.token_file).read_text(encoding="utf-8").strip())
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"server.token_file: {error}; create it with the token inside") from None
        # Checked here because an HTTP library's own complaint would quote the token.
        if not re.fullmatch(r"[!-~]+", token.reveal()):
            raise ConfigError("the server token is empty or has blanks in it; set server.token_file or server.token")
        return token


@dataclass(frozen=True, slots=True)
class Rules:
    """What is looked for."""

    files: tuple[str, ...] = (PULL,)
    """Rule files and directories, or "pull" for the ruleset the server publishes."""
    matching: Literal["first", "all"] = "first"
    """`first`: the first matching rule of an event speaks; `all`: each one does."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What this node lets the server do to it."""

    allow: tuple[str, ...] = ()
    """Kinds that may run here; empty means none."""
    protect: tuple[str, ...] = ()
    """Executables (absolute paths) that are never killed, in addition to the built-in list."""
    protect_tree: int = 0
    """A process id whose own and children's programs are never killed in its tree; 0 for none."""


@dataclass(frozen=True, slots=True)
class Spool:
    """Alerts on disk until the server has them."""

    path: str = "/var/lib/sensorapp/spool.db"
    max_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Alerts per second and at once, for each rule and for all rules together."""

    rule_rate: float = 100.0
    rule_burst: int = 1000
    total_rate: float = 500.0
    total_burst: int = 5000


@dataclass(frozen=True, slots=True)
class Probes:
    """What is watched."""

    names: tuple[str, ...] = ()
    """Probes to attach; empty means all."""


@dataclass(frozen=True, slots=True)
class Logs:
    """The sensor's own log, on stderr."""

    level: str = "info"
    format: str = "text"


@dataclass(frozen=True, slots=True)
class Node:
    """Who this node says it is."""

    hostname: str = field(default_factory=socket.gethostname)
    labels: tuple[str, ...] = ()
    """`name=value` each, for example `cluster=prod`: what routes and silences read as `sensor.label[name]`."""

    def named_labels(self) -> dict[str, str]:
        """The labels by name; ConfigError for one without a name or a value."""
        found = {}
        for label in self.labels:
            name, _, value = label.partition("=")
            if not name.strip() or not value.strip():
                raise ConfigError(f"node.labels has {label!r}; write it as name=value")
            found[name.strip()] = value.strip()
        return found


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a sensor."""

    server: Server = field(default_factory=Server)
    rules: Rules = field(default_factory=Rules)
    actions: Actions = field(default_factory=Actions)
    spool: Spool = field(default_factory=Spool)
    limits: Limits = field(default_factory=Limits)
    probes: Probes = field(default_factory=Probes)
    logs: Logs = field(default_factory=Logs)
    node: Node = field(default_factory=Node)
