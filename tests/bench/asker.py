"""Questions at a steady rate: ``python -m tests.bench.asker PORT ROOT DEVICE``.

Asks a bridge for all calls of a device and for the counts of all devices in turns, and prints a
line for each answer: the verb, how long it took in milliseconds, and the calls it was about.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from bridge import logs
from bridge.cli.questions import Questions
from bridge.doors import Door
from bridge.life.priority import stand_back
from bridge.settings import Mqtt
from bridge.topics import Topics

PER_S = 20
"""Fixed: asked without a pause, what answers more quickly would be asked more, and look worse."""


def main(port: int, root: str, device: str) -> None:
    """Ask until killed."""
    stand_back()  # as the clerk does: on a machine of their own they would not be in the way
    logs.configure("warning")  # its lines would stand between ours otherwise
    mqtt = Mqtt(port=port)
    with Door(mqtt, mqtt) as door:
        questions = Questions(door, Topics(root), timeout_s=60)
        while True:
            for verb, asked in (("calls", device), ("stats", None)):
                started_s = time.perf_counter()
                (response,) = questions.ask(verb, {"device": asked, **_today()})
                took_s = time.perf_counter() - started_s
                sys.stdout.write(f"{verb} {1000 * took_s:.1f} {_calls(response.data)}\n")
                sys.stdout.flush()
                time.sleep(max(0.0, 1 / PER_S - took_s))


def _today() -> dict[str, str]:
    now = datetime.now(UTC)
    first, last = now - timedelta(days=1), now + timedelta(hours=1)
    return {"from": f"{first:%Y-%m-%dT%HZ}", "to": f"{last:%Y-%m-%dT%HZ}"}


def _calls(data: dict[str, object]) -> object:
    hours = data.get("hours")
    if isinstance(hours, list):
        return sum(sum(hour["counts"].values()) for hour in hours)
    return data["total"]


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
