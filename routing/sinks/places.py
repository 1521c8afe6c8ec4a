"""Where an option's value leads, for `option(place=...)`: secrets go there, and what leads nowhere is not stored.

Each function gives the places as texts that can be compared, and raises ValueError with what to write instead.
"""

import re
from urllib.parse import urlsplit

from routing.outbound import AddressRefused, check_url
from routing.sinks import addresses

_PORTS = {"http": 80, "https": 443}
# A name, in whatever letters, or an address of IPv6.
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+(?:%\w+)?")


def url(value: str) -> set[str]:
    """An address of HTTP: paths differ, the place is the same."""
    try:
        check_url(value)
    except AddressRefused as error:
        raise ValueError(f"{error}; write it as https://host or https://host/path") from None
    parts = urlsplit(value)
    if re.search(r"\s", value) or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("The address has a character that it cannot have; write it as https://host/path")
    return {f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"}


def urls(value: str) -> set[str]:
    """Several of them, with blanks between."""
    found = {place for one in value.split() for place in url(one)}
    if not found:
        raise ValueError("No address is entered; write it as https://host")
    return found


def host(value: str) -> set[str]:
    """A name or an IP address alone."""
    if not _HOST.fullmatch(value):
        raise ValueError("Write the name or the IP address alone, without https://, port, path and user name")
    return {value.lower()}


def port(value: int) -> set[str]:
    return {str(value)}


def servers(value: str) -> set[str]:
    """A list as `addresses` reads it."""
    if "@" in value:
        raise ValueError("Write servers as host:port, without a user name and password; these have their own options")
    return {addresses.written(name.lower(), number) for name, number in addresses.listed(value, 0)}
