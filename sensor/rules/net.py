"""Addresses and networks: literals at load time, text from events at match time."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Address = tuple[int, int]
"""(bits, number): 32 and 128 bits never compare equal."""


@lru_cache(maxsize=16384)
def address(text: str) -> Address | None:
    """An event's address as a number; IPv4 mapped into IPv6 is IPv4; None for text that is no address."""
    try:
        return _number(ipaddress.ip_address(text))
    except ValueError:
        return None


def _number(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Address:
    if found.version == 6 and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.max_prefixlen, int(found)


def literal_address(text: str) -> Address:
    """An address written in a rule; raises ValueError."""
    found = address(text)
    if found is None:
        raise ValueError(f"'{text}' is not a valid IP address")
    return found


def literal_network(text: str) -> tuple[int, int, int]:
    """A network written in a rule, as (bits, network, mask); host bits may be set; raises ValueError."""
    host, slash, length = text.partition("/")
    if not slash or not length.isdecimal():
        raise ValueError(f"'{text}' is not a network: write it as 10.0.0.0/8")
    bits, number = literal_address(host)
    longest = 128 if ":" in host else 32
    prefix = int(length[:4]) - (longest - bits)
    if not 0 <= prefix <= bits or (bits == 128 and prefix == 0):
        raise ValueError(f"'{text}' is not a network: the length after '/' goes up to {longest}")
    mask = (1 << bits) - (1 << (bits - prefix))
    return bits, number & mask, mask


class Networks:
    """A set of networks."""

    __slots__ = ("by_bits",)

    def __init__(self, networks: Iterable[tuple[int, int, int]]) -> None:
        masks: dict[int, dict[int, set[int]]] = {32: {}, 128: {}}
        for bits, network, mask in networks:
            masks[bits].setdefault(mask, set()).add(network)
        self.by_bits = {
            bits: tuple((mask, frozenset(numbers)) for mask, numbers in found.items()) for bits, found in masks.items()
        }

    def __contains__(self, found: Address | None) -> bool:
        if found is None:
            return False
        bits, number = found
        return any(number & mask in numbers for mask, numbers in self.by_bits[bits])
