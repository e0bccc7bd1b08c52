"""The fleet: builds the devices, paces what they say, lets some come and go, waits for the rest."""

from __future__ import annotations

import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from bridge.errors import ConfigurationError
from bridge.topics import Topics
from edge_simulator.device import Answer, Device
from edge_simulator.outbox import Outbox
from edge_simulator.plan import Plan, Row, Shares, Step
from edge_simulator.tally import Tally

_PRESENT_S: Final = (0.5, 4.0)
_ABSENT_S: Final = (0.5, 3.0)
_GLANCE_S: Final = 0.05  # how often is looked whether what is waited for has come
_THROWAWAY_SESSION_S: Final = 300  # longer than any absence, and soon forgotten by the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is; `python -m edge_simulator --help` says what each means."""

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    passwords: dict[str, str] | None = None
    password: str | None = None
    root: str = "spam/v1"
    prefix: str = "sim-"
    devices: int = 20
    messages: int | None = 1000
    duration_s: float | None = None
    rate: float = 100.0
    shares: Shares = field(default_factory=Shares)
    offline: float = 0.0
    seed: int = 0
    resend_s: float = 10.0
    drain_s: float = 30.0
    connect_s: float = 10.0
    state: Path | None = None


class Fleet:
    """Some devices and everything they say.

    Args:
        options: What kind of run it is.
        rows: What there is to say.

    Attributes:
        heard: Called in the devices' threads with every answer and the step that it ends, if any.
    """

    def __init__(self, options: Options, rows: Sequence[Row]) -> None:
        self.tally = Tally()
        self.devices: list[Device] = []
        self.heard: Callable[[Answer, Step | None], None] = lambda _answer, _step: None
        self._options = options
        self._rows = rows
        self._is_hushed = self._is_impatient = False
        self._by_id: dict[str, Device] = {}
        self._closing = ExitStack()

    @property
    def expected(self) -> int | None:
        """How many messages the run has, repeats aside; nothing where only time ends it."""
        return self._options.messages

    @property
    def trouble(self) -> str:
        """What keeps some device from its answers; empty when all is well."""
        return next((device.trouble for device in self.devices if device.trouble), "")

    def start(self) -> None:
        """Bring every device online, with what it still has to say from an earlier run.

        Raises:
            ConfigurationError: Some device does not get in; one line says why.
        """
        self._probe()
        folder = self._folder()
        for number in range(self._options.devices):
            self._add(f"{self._options.prefix}{number}", folder)
        for device in self.devices:
            device.start()
        deadline_s = time.monotonic() + self._options.connect_s
        for device in self.devices:
            self._await_online(device, deadline_s)

    def talk(self) -> None:
        """Say everything, at the rate; some devices come and go meanwhile."""
        plans = [self._plan(number).steps() for number in range(len(self.devices))]
        weather = _Weather(self._options, self.devices)
        started_s = time.monotonic()
        for number in self._numbers(started_s):
            if not self._pause_until(started_s + number / self._options.rate):
                return
            weather.change()
            device = self.devices[number % len(self.devices)]
            step = next(plans[number % len(plans)])
            self.tally.asked(device.id, step)
            device.send(step.message)

    def drain(self) -> None:
        """Bring back who is away, and wait until all is answered, at most ``drain_s``."""
        for device in self.devices:
            if not device.is_started:
                device.start()
        deadline_s = time.monotonic() + self._options.drain_s
        while self.tally.unanswered and time.monotonic() < deadline_s and not self._is_impatient:
            time.sleep(_GLANCE_S)

    def hush(self) -> None:
        """Say no more; called again, wait for no more answers. For signal handlers: no locks."""
        self._is_impatient = self._is_hushed
        self._is_hushed = True

    def stop(self) -> None:
        """Disconnect everyone; what is unanswered stays in the outboxes, if those are kept."""
        leaving = [threading.Thread(target=device.stop) for device in self.devices]
        for thread in leaving:
            thread.start()
        for thread in leaving:
            thread.join()
        self._closing.close()

    def _probe(self) -> None:
        """Say at once that there is no broker, where devices would patiently try again."""
        address = (self._options.host, self._options.port)
        try:
            socket.create_connection(address, self._options.connect_s).close()
        except OSError as error:
            where = f"{self._options.host}:{self._options.port}"
            raise ConfigurationError(f"no broker at {where} (--host, --port): {error}") from None

    def _await_online(self, device: Device, deadline_s: float) -> None:
        # There is a broker, so the first trouble (a refused login) will not pass by waiting.
        while not device.wait_online(_GLANCE_S):
            if device.trouble or time.monotonic() > deadline_s:
                where = f"{self._options.host}:{self._options.port}"
                why = device.trouble or "no answer"
                raise ConfigurationError(f"{device.id} does not get in at {where}: {why}")

    def _folder(self) -> Path:
        if self._options.state is None:
            return Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="edge-")))
        self._options.state.mkdir(parents=True, exist_ok=True)
        return self._options.state

    def _add(self, device_id: str, folder: Path) -> None:
        # A power cut is not simulated, so the disk need not sync for every message.
        outbox = Outbox(folder / f"{device_id}.sqlite", synchronous="NORMAL")
        self._closing.callback(outbox.close)
        for message in outbox.pending():
            self.tally.resumed(device_id, message.id)
        options = self._options
        device = Device(
            device_id,
            options.host,
            options.port,
            Topics(options.root),
            outbox,
            answers=self._hear,
            username=options.username,
            password=(options.passwords or {}).get(device_id, options.password),
            resend_s=options.resend_s,
        )
        if options.state is None:
            device.session_expiry_interval_s = _THROWAWAY_SESSION_S
        self.devices.append(device)
        self._by_id[device_id] = device

    def _plan(self, number: int) -> Plan:
        options = self._options
        largest = self.devices[0].largest_payload_bytes or 0
        return Plan(self._rows, options.shares, options.seed, number, largest)

    def _numbers(self, started_s: float) -> Iterator[int]:
        messages, duration_s = self._options.messages, self._options.duration_s
        for number in count() if messages is None else range(messages):
            if duration_s is not None and time.monotonic() - started_s > duration_s:
                return
            yield number

    def _pause_until(self, due_s: float) -> bool:
        """Return when it is time, or say that there is nothing more to be said."""
        while not self._is_hushed and (rest_s := due_s - time.monotonic()) > 0:
            time.sleep(min(rest_s, _GLANCE_S))
        return not self._is_hushed

    def _hear(self, answer: Answer) -> None:
        step = self.tally.answered(answer)
        self.heard(answer, step)
        if step is not None and step.then is not None:
            self._by_id[answer.device].send(step.then.message)


class _Weather:
    """Takes some devices' power away, and gives it back."""

    def __init__(self, options: Options, devices: Sequence[Device]) -> None:
        self._chance = random.Random(f"{options.seed}/weather")
        unsteady = self._chance.sample(devices, round(options.offline * len(devices)))
        self._due = [(self._after(_PRESENT_S), device) for device in unsteady]

    def change(self) -> None:
        """Let those come and go whose time it is."""
        now_s = time.monotonic()
        for place, (due_s, device) in enumerate(self._due):
            if due_s <= now_s:
                self._due[place] = (self._toggle(device), device)

    def _toggle(self, device: Device) -> float:
        if device.is_started:
            device.abort()
            return self._after(_ABSENT_S)
        device.start()
        return self._after(_PRESENT_S)

    def _after(self, between_s: tuple[float, float]) -> float:
        return time.monotonic() + self._chance.uniform(*between_s)
