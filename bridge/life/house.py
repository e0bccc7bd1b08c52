"""What the loop looks after besides messages: what the bridge says of itself, second by second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from bridge import __version__, codec
from bridge.inference.memory_cache import MemoryCache
from bridge.inference.models import BundleClassifier
from bridge.life.clerk_process import ClerkProcess
from bridge.life.meter import Meter
from bridge.life.status import Status
from bridge.mqtt.link import Link
from bridge.mqtt.session import Session
from bridge.ports import OUTCOMES, Clock
from bridge.rate import RateLimit
from bridge.records import iso
from bridge.settings import Settings
from bridge.storage.journal.writer import SegmentedJournal
from bridge.topics import Topics

_HEALTH_S = 5.0

_log = structlog.get_logger()


class Store(Protocol):
    """The second level of the cache, as far as its state goes."""

    @property
    def why(self) -> str | None:
        """Why it cannot be used just now; nothing where it can."""

    def probe(self) -> None:
        """Find out whether it can be used again."""

    def figures(self) -> dict[str, int]:
        """Return what was asked of it since the start."""


class House:
    """Ledger, state, health: told to whoever subscribes, retained."""

    def __init__(  # noqa: PLR0913 - all whose figures it tells, each once
        self,
        settings: Settings,
        *,
        topics: Topics,
        status: Status,
        journal: SegmentedJournal,
        session: Session,
        link: Link,
        clerk: ClerkProcess,
        models: Mapping[str, BundleClassifier],
        cache: MemoryCache,
        store: Store | None,
        rate: RateLimit | None,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._status = status
        self._journal = journal
        self._session = session
        self._link = link
        self._clerk = clerk
        self._models = models
        self._cache = cache
        self._store = store
        self._rate = rate
        self._meter = meter
        self._clock = clock
        self._health_due_s = 0.0

    def started(self) -> None:
        """Say that everything is loaded and the loop begins."""
        settings = self._settings
        _log.info(
            "bridge.started",
            instance=settings.instance,
            model=settings.model.active,
            broker=f"{settings.mqtt.host}:{settings.mqtt.port}",
            root=settings.topics.root,
            in_s=round(self._meter.uptime_s(), 2),
        )

    def greet(self) -> None:
        """Introduce the bridge: a connection is up that was not before."""
        settings = self._settings
        _log.info("broker.connected", connections=self._link.connections)
        self._status.say_again(self._session)
        self._publish(
            "info",
            {
                "instance": settings.instance,
                "version": __version__,
                "schemas": codec.schemas(),
                "settings": settings.model_dump(mode="json"),  # secrets as asterisks
            },
        )
        self._publish(
            "models",
            {
                "active": settings.model.active,
                "models": {name: dict(model.metrics) for name, model in self._models.items()},
            },
        )
        self._health_due_s = 0.0

    def tick(self) -> None:
        """Do what is to be done every second."""
        ledger = self._ledger()
        adds_up = 2 * ledger["received"] == sum(ledger.values())
        self._status.because("ledger", None if adds_up else "the ledger does not add up: a bug")
        self._status.because("clerk_process", self._clerk.why)
        if self._store:
            self._store.probe()
            self._status.because("store", self._store.why)
        if not self._link.is_online:
            return
        self._status.say(self._session)
        self._tell_quotas()
        now_s = self._clock.monotonic_s()
        if now_s >= self._health_due_s:
            self._health_due_s = now_s + _HEALTH_S
            self._publish("health", self._health(ledger))

    def count(self) -> None:
        """Carry what was read over to the ledger."""
        received, returned = self._link.take_counts()
        self._journal.count("received", received)
        self._journal.count("returned", returned)

    def journal_failed(self, reason: str | None) -> None:
        """Say that the journal cannot be written, or with nothing that it can again."""
        self._status.because("journal", reason)

    def say_goodbye(self) -> None:
        """Publish ``stopped``."""
        self._status.say(self._session, "stopped")

    def _publish(self, leaf: str, document: Mapping[str, Any]) -> None:
        topic = self._topics.instance(self._settings.instance, leaf)
        self._session.publish(topic, json.dumps(document).encode(), retain=True)

    def _tell_quotas(self) -> None:
        if self._rate is None:
            return
        now_s = self._clock.monotonic_s()
        for device in self._rate.take_changed():
            quota = self._rate.quota(device, now_s)
            self._session.tell(self._topics.quota(device), json.dumps(quota).encode())

    def _ledger(self) -> dict[str, int]:
        totals = self._journal.totals
        outcomes = {outcome: totals[outcome] for outcome in OUTCOMES}
        return {
            "received": totals["received"],
            **outcomes,
            "pending": len(self._link.deliveries),
        }

    def _health(self, ledger: Mapping[str, int]) -> dict[str, Any]:
        report = self._status.clerk_report
        return {
            "ts": iso(self._clock.now_ms()),
            "ledger": ledger,
            "outbox": report.get("outbox", {"rows": 0, "age_s": 0}),
            "dead_letters": report.get("dead_letters", 0),
            "broker_dropped": self._status.broker_dropped,
            "undeliverable": self._session.undeliverable,
            "unheard": self._session.unheard,
            "sessions_lost": self._link.sessions_lost,
            "queues": {
                "waiting": len(self._link.deliveries),
                "unanswered": self._session.unanswered,
                "unacknowledged": self._session.unacknowledged,
            },
            "cache": self._cache.figures(),
            "store": self._store.figures() if self._store else None,
            "journal": {name: report.get(name) for name in ("segments", "bytes")},
            "clerk": {"restarts": self._clerk.restarts},
            **self._meter.measure(ledger["received"], self._clerk.pid),
        }
