"""Say by the exit code whether the bridge is answering: for Docker, and for any supervisor.

Reads the bridge's retained ``state`` from the broker, as any dashboard would. ``online`` and
``degraded`` are 0: a degraded bridge still answers, and a restart would not mend it.
"""

from __future__ import annotations

import json
import sys
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from bridge import logs, settings
from bridge.doors import Door, Message
from bridge.errors import BridgeError
from bridge.topics import Topics

if TYPE_CHECKING:
    from bridge.settings import Settings

ANSWERING = frozenset({"online", "degraded"})
DEADLINE_S = 3.0


def main() -> int:
    """Return 0 if the bridge of these settings is answering, else 1 and a line on stderr."""
    logs.configure("error")
    try:
        state = read_state(settings.load())
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Empty:
        sys.stderr.write("the broker keeps no state of this bridge: has it ever been online?\n")
        return 1
    sys.stderr.write(f"the bridge is {state}\n")
    return 0 if state in ANSWERING else 1


def read_state(settings: Settings) -> str:
    """Return the ``state`` that the broker keeps for the bridge of ``settings``.

    Raises:
        BridgeError: The broker cannot be reached, or refuses.
        Empty: It keeps no state.
    """
    topic = Topics(settings.topics.root).instance(settings.instance, "state")
    heard: SimpleQueue[Message] = SimpleQueue()
    with Door(settings.mqtt, settings.login(settings.door)) as door:
        door.subscribe(topic, heard.put, DEADLINE_S)
        return str(json.loads(heard.get(timeout=DEADLINE_S).payload)["state"])


if __name__ == "__main__":
    sys.exit(main())
