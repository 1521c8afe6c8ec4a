"""The sensor's settings: a TOML file, then `SENSOR_<SECTION>_<KEY>` variables over it.

Read once at start into frozen dataclasses. A wrong name or value is an error that names itself and what is
allowed, because a setting that is silently ignored looks like protection and is none.
"""

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

DEFAULT_PATH = Path("/etc/sensorapp/sensor.toml")
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
        """The token from `token`, or else from `token_file`; ConfigError if that file cannot be read."""
        if self.token or not self.token_file:
            return self.token
        try:
            return Secret(Path(self.token_file).read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"server.token_file: {error}; create it with the token inside") from None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is looked for."""

    files: tuple[str, ...] = (PULL,)
    """Rule files and directories, or "pull" for the ruleset the server publishes."""
    matching: str = "first"
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


_CHOICES = {
    ("rules", "matching"): ("first", "all"),
    ("logs", "level"): ("debug", "info", "warning", "error"),
    ("logs", "format"): ("text", "json"),
}
_AT_LEAST: dict[tuple[str, str], float] = {
    ("spool", "max_bytes"): 4 * 1024 * 1024,
    ("limits", "rule_rate"): 0.001,
    ("limits", "rule_burst"): 1,
    ("limits", "total_rate"): 0.001,
    ("limits", "total_burst"): 1,
    ("actions", "protect_tree"): 0,
}

# Kubernetes describes a service called "sensor-server" to every pod as SENSOR_SERVER_SERVICE_HOST and so on.
_KUBERNETES_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_\w+)?)$")


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Settings from `path`, else `SENSOR_CONFIG`, else the default file if it is there. Raises ConfigError."""
    named = path or (Path(environ["SENSOR_CONFIG"]) if environ.get("SENSOR_CONFIG") else None)
    document: dict[str, Any] = {}
    if named is not None or DEFAULT_PATH.exists():
        document = _read(named or DEFAULT_PATH)
    sections = {section.name: section.default_factory for section in fields(Config)}
    for name in document:
        if name not in sections:
            raise ConfigError(f"unknown section [{name}]{_suggest(name, sections)}")
    return Config(**{name: _section(name, make(), document.get(name, {}), environ) for name, make in sections.items()})  # type: ignore[misc,operator]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _section(name: str, defaults: Any, given: Any, environ: Mapping[str, str]) -> Any:
    """One section's dataclass: defaults, then the file's values, then the environment's."""
    if not isinstance(given, dict):
        raise ConfigError(f"{name} is {given!r}; write it as a section [{name}]")
    assert is_dataclass(defaults)  # noqa: S101 - for the type checker; Config's fields are all sections
    known = {entry.name: getattr(defaults, entry.name) for entry in fields(defaults)}
    prefix = f"SENSOR_{name.upper()}_"
    from_environment = {
        variable.removeprefix(prefix).lower(): value
        for variable, value in environ.items()
        if variable.startswith(prefix) and not _KUBERNETES_LINK.search(variable)
    }
    for key in [*given, *from_environment]:
        if key not in known:
            raise ConfigError(f"unknown setting {name}.{key}{_suggest(key, known)}")
    values = dict(known)
    for key, value in given.items():
        values[key] = _typed(name, key, value, known[key])
    for key, text in from_environment.items():
        values[key] = _typed(name, key, _from_text(f"{prefix}{key.upper()}", text, known[key]), known[key])
    return type(defaults)(**values)


def _from_text(variable: str, text: str, default: object) -> object:
    if isinstance(default, tuple):
        return [word.strip() for word in text.split(",") if word.strip()]
    if isinstance(default, (int, float)):
        try:
            return type(default)(text)
        except ValueError:
            raise ConfigError(f"{variable} is {text!r}; use a number") from None
    return text


def _typed(section: str, key: str, value: object, default: object) -> object:
    """`value` in the type of the default, within the values allowed; ConfigError otherwise."""
    name = f"{section}.{key}"
    if isinstance(default, tuple):
        words = [value] if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ConfigError(f"{name} is {value!r}; use a list of texts")
        return tuple(words)
    if isinstance(default, (str, Secret)):
        if not isinstance(value, str):
            raise ConfigError(f"{name} is {value!r}; use a text in quotes")
        allowed = _CHOICES.get((section, key))
        if allowed and value not in allowed:
            raise ConfigError(f"{name} is {value!r}; use one of {', '.join(allowed)}")
        return Secret(value) if isinstance(default, Secret) else value
    wanted = (int, float) if isinstance(default, float) else (int,)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"{name} is {value!r}; use a {'number' if isinstance(default, float) else 'whole number'}")
    least = _AT_LEAST.get((section, key))
    if least is not None and value < least:
        raise ConfigError(f"{name} is {value}; use at least {least:g}")
    return type(default)(value)  # type: ignore[call-arg]


def _suggest(word: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
