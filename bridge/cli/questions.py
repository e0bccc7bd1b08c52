"""What commands ask of the bridges on a root: who is there, and the questions of the clerk."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from bridge.cli.display import escape
from bridge.doors import NO_MATCHING_SUBSCRIBERS, REFUSED, Door, Message
from bridge.errors import ConfigurationError, Unavailable
from bridge.fingerprints import uuid7
from bridge.topics import Topics

Record = dict[str, object]

_ANSWERING = ("online", "degraded")


@dataclass(frozen=True, slots=True)
class Response:
    """What one bridge answered to a question."""

    instance: str
    data: Record


def record(message: Message) -> Record:
    """Read a JSON object; what is none reads as an empty one."""
    try:
        value = json.loads(message.payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def new_id() -> str:
    """Return an id for a message or a transaction."""
    return uuid7(time.time_ns() // 1_000_000)


class Instances:
    """The bridges on a root and the states they published, from retained messages on."""

    def __init__(self, door: Door, topics: Topics) -> None:
        self._topics = topics
        self._states: dict[str, Record] = {}
        door.subscribe(topics.instance("+", "state"), self._hear)

    @property
    def states(self) -> Mapping[str, Record]:
        """The last state of each instance, by name."""
        return dict(sorted(self._states.copy().items()))  # a copy: the network's thread writes

    @property
    def answering(self) -> set[str]:
        """The instances that can be expected to answer."""
        return {name for name, state in self.states.items() if state.get("state") in _ANSWERING}

    def _hear(self, message: Message) -> None:
        name = self._topics.instance_of(message.topic, "state")
        if name is None:
            return
        if message.payload:
            self._states[name] = record(message)
        else:  # an empty retained message deletes
            self._states.pop(name, None)


class Questions:
    """Asks questions, and waits until every bridge that is there has answered.

    Args:
        door: A connected door.
        topics: Where the bridges are.
        timeout_s: How long to wait for all answers to one question.
    """

    def __init__(self, door: Door, topics: Topics, timeout_s: float = 10) -> None:
        self.instances = Instances(door, topics)
        self._door = door
        self._topics = topics
        self._timeout_s = timeout_s
        self._answers: SimpleQueue[Record] = SimpleQueue()
        self._verbs: set[str] = set()

    def ask(self, verb: str, question: Mapping[str, object]) -> list[Response]:
        """Ask all bridges on the root.

        Raises:
            Unavailable: No bridge is there, none has answered in time, or one cannot answer.
            ConfigurationError: This account may not ask.
        """
        return [_response(answer) for answer in self._all_answers(verb, question)]

    def ask_whoever_can(self, verb: str, question: Mapping[str, object]) -> list[Response]:
        """Ask all bridges on the root for what one of them is enough for.

        Raises:
            Unavailable: No bridge is there, none has answered in time, or none can.
            ConfigurationError: As for ``ask``.
        """
        answers = self._all_answers(verb, question)
        return [_response(answer) for answer in answers if _is_ok(answer)] or [
            _response(answers[0])
        ]

    def ask_one(self, instance: str, verb: str, question: Mapping[str, object]) -> Response:
        """Ask one bridge.

        Raises:
            Unavailable: It has not answered in time, or cannot.
            ConfigurationError: As for ``ask``.
        """
        answers = self._collect(self._publish(verb, question), {instance})
        if instance not in answers:
            raise Unavailable(f"{instance} has not answered within {self._timeout_s:g} s")
        return _response(answers[instance])

    def _all_answers(self, verb: str, question: Mapping[str, object]) -> list[Record]:
        transaction = self._publish(verb, question)
        # Retained states are sent on the SUBACK's heels, so all have come before this PUBACK.
        answers = self._collect(transaction, self.instances.answering)
        if not answers:
            raise Unavailable(f"no bridge has answered within {self._timeout_s:g} s")
        return list(answers.values())

    def _publish(self, verb: str, question: Mapping[str, object]) -> str:
        self._listen(verb)
        transaction = new_id()
        payload = json.dumps({"transaction": transaction, **question})
        code = self._door.wait(self._door.publish(self._topics.request(verb), payload))
        there = self.instances.answering
        if code == NO_MATCHING_SUBSCRIBERS and there:
            raise Unavailable(
                f"{', '.join(there)}: no clerk is listening yet; try again in a moment"
            )
        check_puback(code, self._topics.root)
        return transaction

    def _listen(self, verb: str) -> None:
        if verb not in self._verbs:
            self._door.subscribe(
                self._topics.response(verb), lambda message: self._answers.put(record(message))
            )
            self._verbs.add(verb)

    def _collect(self, transaction: str, expected: set[str]) -> dict[str, Record]:
        """Gather answers until all of ``expected`` (or, where none is known, one) have come."""
        answers: dict[str, Record] = {}
        until_s = time.monotonic() + self._timeout_s
        while not answers or expected - answers.keys():
            try:
                answer = self._answers.get(timeout=max(0.0, until_s - time.monotonic()))
            except Empty:
                break
            if answer.get("transaction") == transaction:
                answers[str(answer.get("instance"))] = answer
        return answers


def check_puback(code: int, root: str) -> None:
    """Make sure that a bridge will get what was published.

    Raises:
        Unavailable: Nobody is subscribed.
        ConfigurationError: The account may not publish there.
    """
    if code == NO_MATCHING_SUBSCRIBERS:
        raise Unavailable(
            f"no bridge listens on {root}: start one with `bridge run`, or set BRIDGE_TOPICS__ROOT"
        )
    if code >= REFUSED:
        raise ConfigurationError(
            f"the broker does not let this account publish (reason 0x{code:02x}): check its"
            " rights, or BRIDGE_DOOR__USERNAME"
        )


def _is_ok(answer: Record) -> bool:
    return answer.get("status") == "ok"


def _response(answer: Record) -> Response:
    instance, data = str(answer.get("instance")), answer.get("data")
    if not _is_ok(answer) or not isinstance(data, dict):
        raise Unavailable(escape(f"{instance} cannot answer: {answer.get('error')}"))
    return Response(instance, data)
