"""What people tell the clerk: which label is right, and which device is to be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Annotated, Any, Literal, Protocol, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from bridge.errors import Unavailable
from bridge.fingerprints import Fingerprints
from bridge.ports import Clock
from bridge.records import iso
from bridge.requests import MessageId
from bridge.storage.desk.notebook import Correction, Notebook
from bridge.storage.desk.pages import Entry, fill
from bridge.storage.desk.questions import TRANSACTION_CHARS, Device
from bridge.storage.log.call_log import CallLog, Span

_log = structlog.get_logger()

_TEXT_CHARS = 10_000
_SEARCHED_MAX = 100_000
"""Calls of a device that are looked through for one id, newest first."""


class _Order(BaseModel):
    # An unknown field is refused: a misspelled one must not correct something else.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    transaction: Annotated[str, Field(max_length=TRANSACTION_CHARS)] | None = None


class CorrectOrder(_Order):
    """The right label of a text, given as it stands or as a call of a device."""

    label: Literal["ham", "spam"]
    by: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@ -]{1,64}$")]
    text: Annotated[str, Field(min_length=1, max_length=_TEXT_CHARS)] | None = None
    device: Device | None = None
    id: MessageId | None = None

    @model_validator(mode="after")
    def _names_one_text(self) -> Self:
        is_call = self.device is not None and self.id is not None
        if is_call == (self.text is not None):
            raise PydanticCustomError("which_text", "give `text`, or `device` and `id` of a call")
        return self


class ForgetOrder(_Order):
    """A device whose calls must never be told again."""

    device: Device


class CorrectionsQuestion(_Order):
    """All corrections, oldest first."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}$")] | None = None


class Heard(BaseModel):
    """A correction as one bridge tells it to all on its root."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    text_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    label: Literal["ham", "spam"]
    by: Annotated[str, Field(max_length=64)]
    at_ms: int


class Fleet(Protocol):
    """Where all bridges of an installation keep what people said."""

    def correct(self, correction: Correction) -> None:
        """Keep a correction.

        Raises:
            Unavailable: It is not kept.
        """

    def corrections(self) -> Iterator[Correction]:
        """Yield all of them.

        Raises:
            Unavailable: They cannot be read.
        """

    def forget(self, device: str, before_ms: int) -> None:
        """Delete what is kept of ``device`` from before a time, for ever.

        Raises:
            Unavailable: It is not done.
        """


class People:
    """Carries out what people say.

    Args:
        notebook: Where this bridge keeps it.
        fleet: Where the installation does, if it has a place.
        log: The calls, where an id is looked up.
        fingerprints: What stands for a text.
        keep_text: Whether a text may be kept.
        tell: Told of each correction, for every bridge on this root.
        clear: Told of each device that is forgotten.
        clock: The time.
    """

    def __init__(  # noqa: PLR0913 - what it joins, each once
        self,
        notebook: Notebook,
        fleet: Fleet | None,
        *,
        log: CallLog,
        fingerprints: Fingerprints,
        keep_text: bool,
        tell: Callable[[Heard], None],
        clear: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._notebook = notebook
        self._fleet = fleet
        self._log = log
        self._fingerprints = fingerprints
        self._keep_text = keep_text
        self._tell = tell
        self._clear = clear
        self._clock = clock

    def correct(self, order: CorrectOrder) -> dict[str, Any]:
        """Have a text's label be the right one from now on, whatever a model says.

        Raises:
            Unavailable: It is not kept everywhere yet; say it again.
        """
        text = order.text if order.text is not None else self._text_of(order)
        text_key = self._fingerprints.text_key(text)
        kept = text if self._keep_text else None
        correction = Correction(text_key, order.label, order.by, self._clock.now_ms(), kept)
        self._notebook.correct(correction)
        if self._fleet:
            self._fleet.correct(correction)
        _log.info("clerk.corrected", text_key=text_key.hex(), label=order.label, by=order.by)
        heard = Heard(
            text_key=text_key.hex(), label=order.label, by=order.by, at_ms=correction.at_ms
        )
        self._tell(heard)
        return heard.model_dump()

    def corrections(self, question: CorrectionsQuestion) -> dict[str, Any]:
        """Return a page of what was corrected; texts only where the log keeps them.

        Raises:
            Unavailable: They cannot be read.
        """
        start = int(question.cursor or 0)
        source = self._fleet.corrections() if self._fleet else iter(self._notebook.corrections())
        page, is_last = fill(islice(source, start, None), _entry, question.limit)
        following = None if is_last else str(start + len(page))
        return {"corrections": [entry for _, entry in page], "next": following}

    def forget(self, order: ForgetOrder) -> dict[str, Any]:
        """See to it that no question tells of a device's calls until now, whatever comes later.

        Raises:
            Unavailable: The installation's database still holds some; say it again.
        """
        before_ms = self._clock.now_ms() + 1
        self._notebook.forget(order.device, before_ms)
        self._clear(order.device)
        if self._fleet:
            self._fleet.forget(order.device, before_ms)
        _log.info("clerk.forgot", device=order.device)
        return {"device": order.device, "before": iso(before_ms)}

    def _text_of(self, order: CorrectOrder) -> str:
        calls = self._log.calls(order.device or "", Span(), before=None, limit=_SEARCHED_MAX)
        for call in calls:
            if call.message_id == order.id:
                if call.text is None:
                    raise Unavailable("the log keeps no texts (BRIDGE_LOG__TEXT): give `text`")
                return call.text
        raise Unavailable(f"no call of {order.device} has this id")


def _entry(correction: Correction) -> Entry:
    text_key, label, by, at_ms, text = correction
    return {"text_key": text_key.hex(), "text": text, "label": label, "by": by, "at": iso(at_ms)}
