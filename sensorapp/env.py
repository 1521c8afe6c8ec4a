"""Typed readers of environment variables: a wrong value is an error that names the variable and the value."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

DATABASES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")


def text(name: str, default: str) -> str:
    """The variable as it is; `default` where it is unset or empty."""
    return os.environ.get(name) or default


def words(name: str, default: str) -> list[str]:
    """A list written with commas; blanks around the words do not count."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def flag(name: str, default: bool) -> bool:
    """Yes or no; anything but true/false/1/0 is an error, not a guess."""
    raw = text(name, "true" if default else "false")
    try:
        return {"true": True, "1": True, "false": False, "0": False}[raw.lower()]
    except KeyError:
        raise ImproperlyConfigured(f"{name} is {raw!r}; use true or false") from None


def number(name: str, default: int) -> int:
    """A whole number."""
    raw = text(name, str(default))
    try:
        return int(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}; use a whole number") from None


def database(name: str, default: str) -> dict[str, Any]:
    """A database's address as Django's settings for it; the address, which may hold a password, is in no error."""
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(text(name, default)))
    except ValueError:
        config = {}
    if config.get("ENGINE") not in DATABASES or not config.get("NAME"):
        raise ImproperlyConfigured(f"{name} is not an address this can use; write postgresql://user:password@host/name")
    return config


def secret(name: str) -> str | None:
    """A secret from `NAME`, or from the file that `NAME_FILE` names; None where neither is set."""
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return os.environ.get(name) or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path!r}, which cannot be read: {error.strerror}") from None


def kept_secret(name: str, path: Path) -> str:
    """A secret from the environment, or the one kept in `path`, made on first use and readable by its owner only."""
    given = secret(name)
    if given is not None:
        return given
    try:
        if not path.exists():
            _keep(secrets.token_urlsafe(48), path)
        kept = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be kept: {error.strerror}. With DATA_DIR name a directory that you may write to"
        ) from None
    if not kept:
        raise ImproperlyConfigured(f"{path} is empty; bring its content back from a backup, or delete it for a new one")
    return kept


def _keep(made: str, path: Path) -> None:
    """Writes the file whole or not at all; where another process was faster, its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(dir=path.parent)  # Readable by its owner only.
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
