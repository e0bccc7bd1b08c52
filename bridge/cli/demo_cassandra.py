"""The demonstration's Cassandra: a real one, of which two bridges learn from each other."""

import secrets
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from bridge.cli import children as kids
from bridge.cli.ask import Asking
from bridge.cli.children import PROJECT
from bridge.cli.questions import Record
from bridge.doors import Door
from bridge.errors import Unavailable
from bridge.settings import Account, Mqtt
from bridge.topics import Topics

_SCRIPT = PROJECT / "scripts" / "cassandra"
_ATTEMPTS = 9
_SHIPPED_WITHIN_S = 1.0


class DemoCassandra:
    """A server in the demonstration's folder, on ports of its own.

    Args:
        folder: Where its files go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cassandra"
        self._port = kids.free_port()
        self.settings: Mapping[str, str] = {
            "BRIDGE_CASSANDRA__CONTACT_POINTS": "127.0.0.1",
            "BRIDGE_CASSANDRA__PORT": str(self._port),
            "BRIDGE_CASSANDRA__CONSISTENCY": "ONE",
            "BRIDGE_CASSANDRA__REPLICATION_FACTOR": "1",
            "BRIDGE_STORE__KEY": secrets.token_hex(16),
        }
        """What a bridge needs to use it."""

    def start(self) -> str:
        """Return its address when it has the bridge's tables.

        Raises:
            Unavailable: It cannot run here; its script has said why.
        """
        if not _SCRIPT.exists():
            raise Unavailable(f"{_SCRIPT} is missing: --cassandra needs the repository")
        started = self._script("start", "--storage-port", str(kids.free_port()))
        if started.returncode != 0:
            raise Unavailable("Cassandra could not be started; its script has said why")
        migrated = subprocess.run(
            kids.python("bridge", "store", "migrate"),
            env=kids.environment(**self.settings),
            cwd=self._folder,  # out of reach of an .env that is not about this
            capture_output=True,
            text=True,
            check=False,
        )
        if migrated.returncode != 0:
            raise Unavailable(f"the tables could not be made: {migrated.stderr.strip()}")
        return started.stdout.strip()

    def stop(self) -> None:
        """End it, if it runs."""
        if self._folder.exists():
            self._script("stop")

    def _script(self, verb: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [
                *(str(_SCRIPT), verb, *options),
                *("--data", str(self._folder), "--port", str(self._port)),
            ],
            env=kids.environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            start_new_session=True,  # Ctrl-C is for us, who end it in its turn
        )


def taught(mqtt: Mqtt, teacher: Topics, learner: Topics) -> tuple[str, Record, Record]:
    """Ask one bridge about a new text, and then another, until that has learned from the first.

    Returns:
        The text, and what each has said.

    Raises:
        Unavailable: Nothing is learned.
    """
    with Door(mqtt, Account()) as one, Door(mqtt, Account()) as other:
        first, second = Asking(one, teacher), Asking(other, learner)
        for attempt in range(1, _ATTEMPTS + 1):
            text = f"WINNER!! Claim your free prize now: call 0906170146{attempt}"
            said = first.ask(text)
            time.sleep(_SHIPPED_WITHIN_S)  # the clerk ships once the verdict is out
            repeated = second.ask(text)
            if repeated.get("cached") == "store":
                return text, said, repeated
    raise Unavailable("the second bridge has learned nothing from the first")
