"""Just enough of CQL's binary protocol (v4) to ask a node how it is, without a driver."""

from __future__ import annotations

import socket
import struct
from typing import Final, Self

_VERSION: Final = 4
_HEADER: Final = struct.Struct(">BBhBi")  # section 2: version, flags, stream, opcode, length
_ROWS: Final = struct.Struct(
    ">iiii"
)  # section 4.2.5.2 without metadata: kind, flags, columns, rows

# Section 2.4: opcodes.
_STARTUP, _AUTHENTICATE, _OPTIONS, _SUPPORTED = 0x01, 0x03, 0x05, 0x06
_QUERY, _RESULT, _AUTH_RESPONSE = 0x07, 0x08, 0x0F

_CONSISTENCY_ONE: Final = 1
_SKIP_METADATA: Final = 0x02
_FIRST_LOGIN: Final = b"\0cassandra\0cassandra"
"""What a new server with logins accepts: SASL PLAIN."""

_TIMEOUT_S: Final = 2.0


class Refused(Exception):
    """The node answers, and not what was asked: a login, most likely."""


class Connection:
    """A connection to one node.

    Raises:
        OSError: Nobody listens, or the node does not answer in time.
    """

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def speaks(self) -> bool:
        """Say whether this is a Cassandra that takes clients; needs no login."""
        opcode, _ = self._ask(_OPTIONS, b"")
        return opcode == _SUPPORTED

    def peers(self) -> int:
        """Count the other nodes that this one knows.

        Raises:
            Refused: The first login holds no longer.
        """
        opcode, _ = self._ask(_STARTUP, _string_map({"CQL_VERSION": "3.0.0"}))
        if opcode == _AUTHENTICATE:
            self._ask(_AUTH_RESPONSE, _long_string(_FIRST_LOGIN))
        query = _long_string(b"SELECT peer FROM system.peers_v2")
        opcode, body = self._ask(
            _QUERY, query + struct.pack(">HB", _CONSISTENCY_ONE, _SKIP_METADATA)
        )
        if opcode != _RESULT:
            raise Refused(f"opcode {opcode:#04x}")
        _kind, _flags, _columns, rows = _ROWS.unpack_from(body)
        return int(rows)

    def _ask(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        self._socket.sendall(_HEADER.pack(_VERSION, 0, 0, opcode, len(body)) + body)
        _, _, _, answer, length = _HEADER.unpack(self._read(_HEADER.size))
        return answer, self._read(length)

    def _read(self, length: int) -> bytes:
        read = self._socket.recv(length, socket.MSG_WAITALL) if length else b""
        if len(read) != length:
            raise ConnectionError("the node hung up")
        return read


def _string_map(pairs: dict[str, str]) -> bytes:
    strings = (part.encode() for pair in pairs.items() for part in pair)
    return struct.pack(">H", len(pairs)) + b"".join(
        struct.pack(">H", len(string)) + string for string in strings
    )


def _long_string(string: bytes) -> bytes:
    return struct.pack(">i", len(string)) + string
