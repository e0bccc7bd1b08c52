"""Ids and keyed hashes: who sent what, without keeping what was sent. Pure."""

from __future__ import annotations

import os
import struct
from hashlib import blake2b

_INT64 = struct.Struct(">q")


class Fingerprints:
    """BLAKE2b under the installation's key (RFC 7693, section 2.5: keyed hashing needs no HMAC).

    Args:
        key: ``BRIDGE_STORE__KEY``, 16 to 64 bytes; shared by all bridges of an installation.
    """

    def __init__(self, key: bytes) -> None:
        # A copied state costs a third of a fresh keyed one: the key block is hashed only here.
        self._text = blake2b(digest_size=16, key=key, person=b"text")
        self._payload = blake2b(digest_size=16, key=key, person=b"payload")
        self._message = blake2b(digest_size=8, key=key, person=b"message")

    def text_key(self, text: str) -> bytes:
        """Return the 16 bytes that stand for ``text`` as received."""
        state = self._text.copy()
        state.update(text.encode())
        return state.digest()

    def payload_key(self, payload: bytes) -> bytes:
        """Return the 16 bytes that stand for a payload without a valid text."""
        state = self._payload.copy()
        state.update(payload)
        return state.digest()

    def message_key(self, device: str, message_id: str) -> int:
        """Return the signed 64-bit number that stands for a device's message; never 0."""
        state = self._message.copy()
        # A device id holds no "/", so no two pairs give the same bytes.
        state.update(f"{device}/{message_id}".encode())
        number: int = _INT64.unpack(state.digest())[0]
        return number or 1


def uuid7(now_ms: int) -> str:
    """Return a time-ordered id for a message that has none (RFC 9562, section 5.7)."""
    random = int.from_bytes(os.urandom(10), "big")
    number = (
        (now_ms & (1 << 48) - 1) << 80
        | 0x7 << 76
        | (random >> 68 & 0xFFF) << 64
        | 0b10 << 62
        | random & (1 << 62) - 1
    )
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
