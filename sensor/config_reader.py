"""Read the sensor's settings: a TOML file, then `SENSOR_<SECTION>_<KEY>` variables over it.

A wrong name or value is an error that names itself and what is allowed, because a setting that is silently
ignored looks like protection and is none.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sensor.config import Config, ConfigError, Secret

DEFAULT_PATH = Path("/etc/sensorapp/sensor.toml")
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
    sections: dict[str, Any] = {section.name: section.default_factory for section in fields(Config)}
    for name in document:
        if name not in sections:
            raise ConfigError(f"unknown section [{name}]{_suggest(name, sections)}")
    filled = {name: _section(name, make(), document.get(name, {}), environ) for name, make in sections.items()}
    config = Config(**filled)
    _check_url(config.server.url)
    config.node.named_labels()
    return config


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"server.url is not a URL: {error}") from None
    if url and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ConfigError(f"server.url is {url!r}; use http://HOST or https://HOST")
    if parts.username or parts.password:
        raise ConfigError("server.url has a password in it; put the token in server.token_file")


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
    return replace(defaults, **values)


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
