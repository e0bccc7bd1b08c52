"""The clerk, the second process: it answers questions, keeps the journal, ships it to Cassandra.

Whatever is slow lives here, where it cannot hold a verdict. The daemon starts it and hears from
it through a pipe; at that pipe's end it ends itself, so that a killed daemon leaves no orphan.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from bridge import logs, settings
from bridge.doors import Door, Message
from bridge.errors import ConfigurationError, Unavailable
from bridge.fingerprints import Fingerprints
from bridge.life.clock import SystemClock
from bridge.life.desk import Desk, Inbox, Line
from bridge.life.memory import fix_heap_thresholds
from bridge.life.pipe import Pipe
from bridge.life.priority import stand_back
from bridge.settings import Settings
from bridge.storage.desk.answers import Answers
from bridge.storage.desk.notebook import Correction, Notebook
from bridge.storage.desk.people import Heard, People
from bridge.storage.journal.installation import store_key
from bridge.storage.journal.lock import lock
from bridge.storage.journal.outbox import Backlog, Outbox
from bridge.storage.log.call_log import CallLog
from bridge.storage.log.catalog import Catalog
from bridge.storage.log.forgetful import ForgetfulLog
from bridge.storage.log.keeper import Keeper, Keeping
from bridge.storage.log.segment_log import SegmentLog
from bridge.topics import Topics

if TYPE_CHECKING:
    from bridge.storage.cassandra.fleet import CassandraFleet

_LOCK_S = 5.0  # a predecessor may be on its way out
_REPORT_S = 1.0
_LEAVE_S = 2.0
_DAY_MS = 86_400_000

_log = structlog.get_logger()


class Clerk:
    """The second process, composed.

    Args:
        configuration: The daemon's settings.
        pipe: To the daemon; its end is the clerk's.
    """

    def __init__(self, configuration: Settings, pipe: Pipe) -> None:
        self._pipe = pipe
        self._clock = clock = SystemClock()
        self._line = Line()
        self._topics = topics = Topics(configuration.topics.root)
        self._inbox = Inbox(topics)
        self._door = Door(
            configuration.mqtt,
            configuration.login(configuration.clerk),
            f"bridge-{configuration.instance}-clerk",
            self._line.changed,
        )
        self._door.subscribe(topics.request("+"), self._inbox.put)
        self._door.subscribe(topics.corrected, self._hear)
        journal = configuration.journal
        self._notebook = notebook = Notebook(journal.path)
        self._outbox = Outbox(journal.path)
        catalog = Catalog(journal.path)
        segments = SegmentLog(catalog)
        self._fleet = _fleet(configuration, notebook, segments, self._take_over, clock)
        log: CallLog = (
            self._fleet.log if self._fleet else ForgetfulLog(segments, notebook.forgotten)
        )
        people = People(
            notebook,
            self._fleet,
            log=log,
            fingerprints=Fingerprints(store_key(configuration.store, journal.path)),
            keep_text=configuration.log.text == "full",
            tell=self._tell,
            clear=self._clear,
            clock=clock,
        )
        keeping = Keeping(
            0 if self._fleet else int(journal.keep_days * _DAY_MS),
            configuration.repeats.window_s * 1000,
        )
        shipped = (lambda: notebook.shipped) if self._fleet else None
        self._desk = Desk(
            self._inbox,
            Answers(
                log, configuration.instance, people, "installation" if self._fleet else "bridge"
            ),
            Keeper(journal.path, catalog, keeping, journal.max_bytes, shipped),
            self._door,
            topics,
        )

    def run(self) -> int:
        """Work until the pipe's end.

        Returns:
            0, or 1 where the desk has failed.
        """
        self._pass_on(self._notebook.corrections())
        # A daemon thread: a query that is under way does not hold the process back.
        desk = threading.Thread(target=self._desk.work, name="desk", daemon=True)
        desk.start()
        self._door.start()
        if self._fleet:
            self._fleet.start()
        try:
            self._report_while(desk)
            return int(not desk.is_alive())
        finally:
            self._leave(desk)

    def _leave(self, desk: threading.Thread) -> None:
        self._desk.end()
        # In threads too: a broker or a database that does not answer would hold it for longer.
        leaving = [threading.Thread(target=self._door.close, daemon=True)]
        if self._fleet:
            leaving.append(threading.Thread(target=self._fleet.close, daemon=True))
        for thread in leaving:
            thread.start()
        for thread in (*leaving, desk):
            thread.join(_LEAVE_S)

    def _report_while(self, desk: threading.Thread) -> None:
        while desk.is_alive():
            if not self._pipe.say(self._report()) or self._pipe.has_ended(_REPORT_S):
                return

    def _report(self) -> dict[str, Any]:
        kept = self._desk.kept
        why = [
            *(kept.why if kept else []),
            self._line.why,
            self._fleet.why if self._fleet else None,
        ]
        return {
            "event": "report",
            "outbox": self._backlog()._asdict(),
            "dead_letters": self._notebook.dead_letters,
            "segments": kept.segments if kept else 0,
            "bytes": kept.bytes if kept else 0,
            "questions": {"answered": self._desk.answered, "dropped": self._inbox.dropped},
            "why": [reason for reason in why if reason],
            "ready": self._door.is_connected and kept is not None,
        }

    def _backlog(self) -> Backlog:
        if self._fleet is None:
            return Backlog(0, 0)
        try:
            return self._outbox.backlog(self._notebook.shipped, self._clock.now_ms())
        except Unavailable:
            return Backlog(0, 0)  # said by the keeper, which reads the same files

    # corrections: told to every bridge on this root, and heard from each

    def _tell(self, heard: Heard) -> None:
        self._door.publish(self._topics.corrected, heard.model_dump_json())

    def _hear(self, message: Message) -> None:
        try:
            heard = Heard.model_validate_json(message.payload)
        except ValidationError:
            _log.warning("clerk.correction_malformed")
            return
        text_key = bytes.fromhex(heard.text_key)
        self._take_over([Correction(text_key, heard.label, heard.by, heard.at_ms, None)])

    def _take_over(self, corrections: list[Correction]) -> None:
        """Keep what another bridge has been told, and have the loop answer by it."""
        for correction in corrections:
            self._notebook.hear(correction)
        self._pass_on(corrections)

    def _pass_on(self, corrections: list[Correction]) -> None:
        """Tell the loop, which answers by them from now on."""
        for start in range(0, len(corrections), 1000):
            some = corrections[start : start + 1000]
            labels = {correction.text_key.hex(): correction.label for correction in some}
            self._pipe.say({"event": "corrections", "labels": labels})

    def _clear(self, device: str) -> None:
        """Have the broker forget what it retains of a device."""
        for topic in (self._topics.presence(device), self._topics.quota(device)):
            self._door.publish(topic, b"", retain=True)


def _fleet(
    configuration: Settings,
    notebook: Notebook,
    segments: SegmentLog,
    on_corrections: Callable[[list[Correction]], None],
    clock: SystemClock,
) -> CassandraFleet | None:
    if not configuration.cassandra.is_configured:
        return None
    # Imported here: the driver takes half a second, and the embedded default has no use of it.
    from bridge.storage.cassandra.fleet import CassandraFleet  # noqa: PLC0415

    return CassandraFleet(configuration, notebook, segments, on_corrections, clock)


def main() -> int:
    """Run the clerk; exit code 1 is a failure that a new start may mend, 2 a wrong setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipe", type=int, required=True, help="descriptor of the daemon's pipe")
    arguments = parser.parse_args()
    stand_back()
    # Ctrl-C reaches the whole group: the daemon ends first, and the clerk with its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=arguments.pipe) as end:
        # Ends the pipe from this side: one way to leave, whoever asks for it.
        signal.signal(signal.SIGTERM, lambda *_: end.shutdown(socket.SHUT_RD))
        try:
            return _run(Pipe(end))
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            return 2


def _run(pipe: Pipe) -> int:
    fix_heap_thresholds()
    configuration = settings.load()
    logs.configure(configuration.log.level)
    threading.excepthook = lambda failed: _log.error("clerk.failed", exc_info=failed.exc_value)
    folder = configuration.journal.path
    with _locked(folder):
        _log.info("clerk.started", pid=os.getpid(), journal=str(folder))
        exit_code = Clerk(configuration, pipe).run()
    _log.info("clerk.stopped", exit_code=exit_code)
    return exit_code


def _locked(folder: Path) -> IO[bytes]:
    until_s = time.monotonic() + _LOCK_S
    while True:
        try:
            return lock(folder, "clerk")
        except ConfigurationError:
            if time.monotonic() >= until_s:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
