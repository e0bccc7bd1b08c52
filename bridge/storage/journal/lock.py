"""One writer at a time: locks on the journal's folder, which a killed process gives back."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from bridge.errors import ConfigurationError


def lock(folder: Path, holder: str) -> IO[bytes]:
    """Take the journal's lock for ``loop`` or ``clerk``; closing the file gives it back.

    Raises:
        ConfigurationError: Another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"{holder}.lock").open("ab")
    except OSError as error:
        raise ConfigurationError(
            f"BRIDGE_JOURNAL__PATH: {folder} cannot be written ({error.strerror})"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigurationError(
            f"BRIDGE_JOURNAL__PATH: another bridge writes {folder}; give each a folder of its own"
        ) from None
    return file
