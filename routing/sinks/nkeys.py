"""Signing in to NATS with an NKey: Ed25519 keys in base32, with a prefix that tells what they are for.

docs.nats.io, "NKeys" and "User credentials": a seed starts with S and the letter of its kind, U for users; two bytes
of CRC-16 (XMODEM) end it. A credentials file holds a user's JWT and seed between BEGIN and END lines.
"""

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED, _USER = 18 << 3, 20 << 3
_BLOCK = re.compile(r"-+BEGIN (NATS USER JWT|USER NKEY SEED)-+\s+(\S+)\s+-+END \1-+")


@dataclass(frozen=True)
class Key:
    """A user's key."""

    public: str
    """How the server knows it: U and 55 more characters."""
    _private: Ed25519PrivateKey

    def signed(self, nonce: str) -> str:
        """The server's nonce, signed, in base64 for URLs without padding."""
        return base64.urlsafe_b64encode(self._private.sign(nonce.encode())).decode().rstrip("=")


def key(seed: str) -> Key:
    """The key of a user's seed; raises ValueError where it is none."""
    raw = _decoded(seed.strip())
    holder = (raw[0] & 0b111) << 5 | raw[1] >> 3
    if len(raw) != 34 or raw[0] & 0b1111_1000 != _SEED or holder != _USER:
        raise ValueError("The NKey seed is not a user's; it starts with SU")
    private = Ed25519PrivateKey.from_private_bytes(raw[2:])
    return Key(_encoded(bytes([_USER]) + private.public_key().public_bytes_raw()), private)


def credentials(text: str) -> tuple[str, Key]:
    """The JWT and the key in a credentials file; raises ValueError where they are not there."""
    found = dict(_BLOCK.findall(text))
    try:
        return found["NATS USER JWT"], key(found["USER NKEY SEED"])
    except KeyError:
        raise ValueError("The credentials are not a NATS .creds file; paste all of it, with BEGIN and END") from None


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) < 4 or raw[-2:] != _check(raw[:-2]):
        raise ValueError("The NKey seed is not complete; it has 58 characters and starts with SU")
    return raw[:-2]


def _encoded(raw: bytes) -> str:
    return base64.b32encode(raw + _check(raw)).decode().rstrip("=")


def _check(raw: bytes) -> bytes:
    return binascii.crc_hqx(raw, 0).to_bytes(2, "little")
