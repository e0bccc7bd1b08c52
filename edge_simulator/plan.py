"""What each device says, in which order: decided by the seed alone."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from edge_simulator.outbox import Message
from edge_simulator.rubbish import FAMILIES, Rubbish


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text of the data set."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the traffic is special, each from 0 to 1.

    Args:
        plain: Of the good messages, those sent as plain text.
        rubbish: Of all messages, the bad ones.
        repeats: Of the good JSON messages, those sent once more after their answer.
    """

    plain: float = 0.3
    rubbish: float = 0.0
    repeats: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """A message, what must come back, and what follows.

    Args:
        message: What is sent.
        row: The row it says; nothing for rubbish.
        rubbish: The family of bad input; nothing for a good message, which must get a verdict.
        then: What is sent once this was answered.
    """

    message: Message
    row: Row | None = None
    rubbish: Rubbish | None = None
    then: Step | None = None


def read_rows(path: Path) -> list[Row]:
    """Read a CSV file with the columns ``label`` and ``text``.

    Raises:
        OSError: The file cannot be read.
        ValueError: It lacks a column, or has no rows.
    """
    with path.open(encoding="utf-8", newline="") as file:
        try:
            rows = [Row(row["label"], row["text"]) for row in csv.DictReader(file)]
        except KeyError as error:
            raise ValueError(f"{path} has no column {error}") from None
    if not rows:
        raise ValueError(f"{path} has no rows")
    return rows


class Plan:
    """The messages of one device; the same for the same arguments.

    Args:
        rows: What there is to say.
        shares: How much of it is special.
        seed: What chance starts from.
        device: Which device of the fleet, from 0: each says something else.
        largest_payload_bytes: Rubbish that the broker would not carry is left out.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        shares: Shares,
        seed: int,
        device: int,
        largest_payload_bytes: int,
    ) -> None:
        self._rows = rows
        self._shares = shares
        self._seed = seed
        self._chance = random.Random(f"{seed}/{device}")
        self._families = [
            family for family in FAMILIES if len(family.build("id")) <= largest_payload_bytes
        ]
        # A few messages of each device already cover every family among the fleet.
        self._next_family = device * 7

    def steps(self) -> Iterator[Step]:
        """Go on for ever."""
        number = 0
        while True:
            number += 1
            if self._chance.random() < self._shares.rubbish:
                yield self._bad(number)
            else:
                yield self._good(number)

    def _good(self, number: int) -> Step:
        row = self._chance.choice(self._rows)
        is_plain = self._chance.random() < self._shares.plain
        is_repeated = self._chance.random() < self._shares.repeats
        message_id = self._name(number, row.text)
        if is_plain and not row.text.startswith("{"):
            return Step(Message.in_plain_text(row.text, message_id), row)
        message = Message.in_json(row.text, message_id)
        return Step(message, row, then=Step(message, row) if is_repeated else None)

    def _bad(self, number: int) -> Step:
        family = self._families[self._next_family % len(self._families)]
        self._next_family += 1
        if family.reuses_id:
            return self._reuse(number, family)
        message_id = self._name(number, family.name)
        return Step(Message(message_id, family.build(message_id), correlated=True), rubbish=family)

    def _reuse(self, number: int, family: Rubbish) -> Step:
        """Say something else under an id that was answered; the outbox knows it by another name."""
        row = self._chance.choice(self._rows)
        first = Message.in_json(row.text, self._name(number, row.text))
        payload = family.build(first.id)
        second = Message(self._name(number, family.name), payload, correlated=True)
        return Step(first, row, then=Step(second, rubbish=family))

    def _name(self, number: int, content: str) -> str:
        """Name a message after its content too: other options reuse no id for another text."""
        digest = blake2b(content.encode(), digest_size=6).hexdigest()
        return f"{self._seed}-{number}-{digest}"
