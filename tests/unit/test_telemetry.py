"""Nothing that this project imports reports to anybody."""

import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_is_told_to_report_nothing(tmp_path: Path) -> None:
    """Loading the network sets the switch before ONNX Runtime is imported, which shows on disk."""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment["TMPDIR"] = str(tmp_path)
    subprocess.run(
        [sys.executable, "-c", "import bridge.inference.network"], check=True, env=environment
    )
    assert list(tmp_path.iterdir()) == []
