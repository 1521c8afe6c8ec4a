"""Lists of servers as people type them: `one.example.com:9092, 10.0.0.7, [fd00::1]:9092`."""

import re
from urllib.parse import urlsplit


def listed(text: str, port: int) -> list[tuple[str, int]]:
    """Hosts with their ports, `port` where none is said; raises ValueError with what is wrong."""
    found = [_one(part, port) for part in re.split(r"[\s,]+", text) if part]
    if not found:
        raise ValueError("No server is entered")
    return found


def _one(part: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{part}")
        host, said = parts.hostname, parts.port
    except ValueError:
        host, said = None, None
    if not host or parts.netloc != part or "@" in part:
        raise ValueError(f"{part!r} is not a server; enter host:port, with commas between several")
    return host, said or port


def written(host: str, port: int) -> str:
    """A host and port in one text; IPv6 addresses get their brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
