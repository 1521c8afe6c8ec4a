"""Secrets that are kept elsewhere: a sink names an environment variable or a file, and it is read when it is needed.

    {"env": "SINK_SLACK_URL"}    {"file": "/run/secrets/slack-url"}

Who may edit sinks decides where they post to, and must not be able to post the server's own secrets there: variables
are those that `SECRETS_ENV` names, files those below `SECRETS_DIR`.
"""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from django.conf import settings

MOST_BYTES = 64 * 1024
"""Of a file."""
Reference = Mapping[str, str]


class MissingSecret(Exception):
    """A reference that leads to no secret; the text says what to do, and tells no secret."""


def problem(reference: Reference) -> str:
    """Why such a reference is not followed, whatever is there; empty where it is."""
    if "env" in reference:
        if any(fnmatchcase(reference["env"], pattern) for pattern in settings.SECRETS_ENV):
            return ""
        return (
            f"The variable {reference['env']} is none that SECRETS_ENV names ({', '.join(settings.SECRETS_ENV)}); "
            "rename it, or let an administrator add it"
        )
    # What a link leads to counts.
    if Path(settings.SECRETS_DIR).resolve() in Path(reference["file"]).resolve().parents:
        return ""
    return f"The file {reference['file']} is not below {settings.SECRETS_DIR} (SECRETS_DIR); put it there"


def resolved(secrets: Mapping[str, Any]) -> dict[str, str]:
    """A sink's secrets with every reference followed. Raises MissingSecret for the first that leads nowhere."""
    return {name: value if isinstance(value, str) else _followed(name, value) for name, value in secrets.items()}


def _followed(name: str, reference: Reference) -> str:
    if wrong := problem(reference):
        raise MissingSecret(wrong)
    found = os.environ.get(reference["env"], "") if "env" in reference else _read(name, reference["file"])
    if not found:
        where = f"variable {reference['env']}" if "env" in reference else f"file {reference['file']}"
        raise MissingSecret(f"The {where}, which holds {name}, is not set or empty here; set it for the workers")
    return found


def _read(name: str, path: str) -> str:
    """The file's text without the line's end that editors add; nothing where there is no file."""
    try:
        with open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise MissingSecret(f"The file {path}, which holds {name}, has more than {MOST_BYTES:,} bytes")
        return text.decode().rstrip("\r\n")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise MissingSecret(f"The file {path}, which holds {name}, cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MissingSecret(f"The file {path}, which holds {name}, is not text in UTF-8") from None
