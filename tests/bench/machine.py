"""What the figures were measured on, without a path or a name."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from tests.conftest import mosquitto_version

_CPU_INFO = Path("/proc/cpuinfo")


def describe() -> str:
    """Return one line: cores, system, and the versions that matter."""
    packages = [f"{name} {version(name)}" for name in ("onnxruntime", "paho-mqtt", "mqtt5")]
    return ", ".join(
        [
            f"{os.cpu_count()} cores ({_processor()})",
            f"{platform.system()} {platform.machine()}",
            f"{platform.python_implementation()} {platform.python_version()}",
            f"Mosquitto {mosquitto_version()}",
            *packages,
        ]
    )


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")
