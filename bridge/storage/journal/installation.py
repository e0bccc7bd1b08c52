"""What is made once for an installation, and kept in the journal's folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bridge.settings import Store


def store_key(settings: Store, folder: Path) -> bytes:
    """Return ``BRIDGE_STORE__KEY``, or a key made at the first start and kept with mode 600."""
    if settings.key:
        return settings.key.get_secret_value().encode()
    path = folder / "store.key"
    if not path.exists():
        unfinished = folder / "store.key.new"
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        unfinished.rename(path)  # whole, or not there
    return path.read_bytes()
