"""The daemon: where the loop is composed. The only file that knows every class."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import structlog

from bridge.corrections import Corrections
from bridge.errors import SessionTakenOver
from bridge.fingerprints import Fingerprints
from bridge.inference.memory_cache import MemoryCache
from bridge.inference.models import load_models
from bridge.life.clerk_process import ClerkProcess
from bridge.life.clock import SystemClock
from bridge.life.house import House
from bridge.life.loop import Loop
from bridge.life.memory import collect_seldom, fix_heap_thresholds
from bridge.life.meter import Meter
from bridge.life.status import Me, Status
from bridge.lookup import Lookup
from bridge.mqtt.link import Link
from bridge.mqtt.packets import Identity, Subscription, Will
from bridge.mqtt.session import Session
from bridge.pipeline import Pipeline, Rules
from bridge.ports import Clock
from bridge.rate import RateLimit
from bridge.settings import Cassandra, Settings
from bridge.storage.journal.installation import store_key
from bridge.storage.journal.writer import SegmentedJournal
from bridge.topics import Topics

if TYPE_CHECKING:
    from bridge.storage.cassandra.cache import CassandraCache

_EXIT_TAKEN_OVER = 3

_log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run the bridge until SIGTERM or SIGINT.

    Returns:
        0 when all that was read is answered, 1 where the journal could not take the last
        messages, 3 where another process took the session over.

    Raises:
        ConfigurationError: A setting cannot work.
    """
    fix_heap_thresholds()
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        loop = _compose(settings, clock, stack)
        collect_seldom()
        wakeup = stack.enter_context(_signals(loop.stop))
        try:
            return loop.run(wakeup)
        except SessionTakenOver as error:
            _log.error("bridge.taken_over", reason=str(error))
            return _EXIT_TAKEN_OVER


def _compose(settings: Settings, clock: Clock, stack: contextlib.ExitStack) -> Loop:
    meter = Meter(clock)
    topics = Topics(settings.topics.root, settings.topics.share)
    status = Status(
        Me(settings.instance, settings.topics.share, secrets.token_hex(8)), topics, clock
    )
    journal = SegmentedJournal(
        settings.journal.path,
        clock,
        segment_rows=settings.journal.segment_rows,
        window_s=settings.repeats.window_s,
        repeats_max=settings.repeats.max,
    )
    stack.callback(journal.close)
    models, refused = load_models(
        settings.model.directory, settings.model.active, threads=settings.model.threads
    )
    status.because("models", "; ".join(refused) or None)
    corrections = Corrections(settings.cache.max)
    cache = MemoryCache(settings.cache.max, settings.cache.ttl_s, clock)
    store = _store(settings.cassandra, clock, stack)
    rate = settings.rate
    limit = RateLimit(rate.per_device, rate.burst) if rate.per_device else None
    session = Session(_identity(settings, topics, status), settings.mqtt.answer_expiry_s)
    link = Link(
        settings.mqtt,
        session,
        inputs=Subscription(topics.inputs),
        notes=[Subscription(topic, qos=0, retained=True) for topic in status.notes],
        on_note=status.note,
        clock=clock,
        expects_session=journal.totals["received"] > 0,
    )
    stack.callback(link.close)
    pipeline = Pipeline(
        topics=topics,
        rules=Rules(
            payload_bytes=settings.limits.payload_bytes,
            text_chars=settings.limits.text_chars,
            keep_text=settings.log.text == "full",
        ),
        fingerprints=Fingerprints(store_key(settings.store, settings.journal.path)),
        lookup=Lookup(models, [corrections, cache, *([store] if store else [])]),
        active=settings.model.active,
        journal=journal,
        connection=session,
        clock=clock,
        rate=limit,
    )
    clerk = ClerkProcess(_ears(status, corrections), clock)
    stack.callback(clerk.stop)
    house = House(
        settings,
        topics=topics,
        status=status,
        journal=journal,
        session=session,
        link=link,
        clerk=clerk,
        models=models,
        cache=cache,
        store=store,
        rate=limit,
        meter=meter,
        clock=clock,
    )
    return Loop(
        link=link,
        pipeline=pipeline,
        clerk=clerk,
        house=house,
        clock=clock,
        batch_max=settings.batch_max,
    )


def _store(settings: Cassandra, clock: Clock, stack: contextlib.ExitStack) -> CassandraCache | None:
    """Open the second level of the cache; it connects while verdicts already flow."""
    if not settings.is_configured:
        return None
    # Imported here: the driver takes half a second, and the embedded default has no use of it.
    from bridge.storage.cassandra.cache import open_cache  # noqa: PLC0415

    store = open_cache(settings, clock)
    stack.callback(store.close)
    return store


def _ears(status: Status, corrections: Corrections) -> Callable[[dict[str, Any]], None]:
    """Hear what the clerk says: how it is, and what people have corrected."""

    def hear(said: dict[str, Any]) -> None:
        if said["event"] == "corrections":
            for text_key, label in said["labels"].items():
                corrections.hear(bytes.fromhex(text_key), label)
        else:
            status.hear_clerk(said)

    return hear


def _identity(settings: Settings, topics: Topics, status: Status) -> Identity:
    mqtt = settings.mqtt
    password = mqtt.password.get_secret_value().encode() if mqtt.password else None
    return Identity(
        client_id=f"bridge-{settings.instance}",
        username=mqtt.username,
        password=password,
        keep_alive_s=mqtt.keep_alive_s,
        session_expiry_interval_s=mqtt.session_expiry_interval_s,
        receive_maximum=mqtt.receive_maximum,
        will=Will(topics.instance(settings.instance, "state"), status.will()),
    )


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[socket.socket]:
    """Have SIGTERM and SIGINT call ``stop``, and wake the loop through the socket yielded."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    previous = {
        number: signal.signal(number, lambda *_: stop())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield ours
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in previous.items():
            signal.signal(number, handler)
        ours.close()
        theirs.close()
