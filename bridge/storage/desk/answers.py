"""Answers to questions about the call log: one request, one page of JSON under 200 KB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import structlog
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from bridge.errors import Unavailable
from bridge.records import iso
from bridge.storage.desk.pages import Entry, fill
from bridge.storage.desk.people import CorrectionsQuestion, CorrectOrder, ForgetOrder, People
from bridge.storage.desk.questions import (
    TRANSACTION_CHARS,
    CallsQuestion,
    Cursor,
    StatsQuestion,
    explain,
)
from bridge.storage.log.call_log import HOUR_MS, Call, CallLog, Counts

QUESTION_BYTES = 16_384
"""A longer question is none."""

_TEXT_CHARS = 10_000  # escaped, at most 60 KB: any call fits on a page

_log = structlog.get_logger()


class Answers:
    """Answers questions, a wrong one with what would be right.

    Args:
        log: Who knows.
        instance: Which bridge answers.
        people: Who carries out what people say.
        scope: Whose calls it tells: where it is the installation's, what several bridges answer
            is not to be added up.
    """

    def __init__(
        self,
        log: CallLog,
        instance: str,
        people: People | None = None,
        scope: Literal["bridge", "installation"] = "bridge",
    ) -> None:
        self._log = log
        self._instance = instance
        self._scope = scope
        self._verbs: dict[str, Callable[[Entry], Entry]] = {
            "calls": lambda asked: self._calls(CallsQuestion.model_validate(asked)),
            "stats": lambda asked: self._stats(StatsQuestion.model_validate(asked)),
        }
        if people:
            self._verbs |= {
                "correct": lambda asked: people.correct(CorrectOrder.model_validate(asked)),
                "corrections": lambda asked: people.corrections(
                    CorrectionsQuestion.model_validate(asked)
                ),
                "forget": lambda asked: people.forget(ForgetOrder.model_validate(asked)),
            }

    def to(self, verb: str, payload: bytes) -> bytes | None:
        """Return the answer to one question, as JSON of less than 200 KB.

        Returns:
            Nothing where the question names another ``instance``: a cursor means something only
            to the bridge that gave it.
        """
        asked = _read(payload)
        if asked and asked.pop("instance", None) not in (None, self._instance):
            return None
        answer = self._answer(verb, asked)
        transaction = _transaction(asked)
        return to_json({"instance": self._instance, **answer, "transaction": transaction})

    def _answer(self, verb: str, asked: Entry | None) -> Entry:
        if asked is None:
            return _error(f"a question is a JSON object of at most {QUESTION_BYTES} bytes")
        if verb not in self._verbs:
            return _error(f"no such verb; there are: {', '.join(self._verbs)}")
        try:
            return {"status": "ok", "data": self._verbs[verb](asked)}
        except ValidationError as error:
            return _error(explain(error))
        except Unavailable as error:
            return _error(str(error))
        except Exception:  # noqa: BLE001 - a bug: told to who asks, shown to who runs the bridge
            _log.error("clerk.question_failed", verb=verb, exc_info=True)
            return _error("the bridge failed at this question; its log says where")

    def _calls(self, asked: CallsQuestion) -> Entry:
        cursor = asked.cursor
        total = cursor.total if cursor else self._log.count(asked.device, asked.span)
        before = cursor.position if cursor else None
        found = self._log.calls(asked.device, asked.span, before=before, limit=asked.limit + 1)
        page, is_last = fill(found, _call, asked.limit)
        last = page[-1][0] if page else None
        following = None if is_last or last is None else str(Cursor.after(last.position, total))
        calls = [entry for _, entry in page]
        return {"calls": calls, "next": following, "total": total, "scope": self._scope}

    def _stats(self, asked: StatsQuestion) -> Entry:
        found = self._log.hours(asked.device, asked.span).items()
        page, is_last = fill(found, _hour, len(found))
        following = None if is_last else _hour_name(page[-1][0][0] + 1)
        hours = [entry for _, entry in page]
        return {"hours": hours, "next": following, "scope": self._scope}


def _call(call: Call) -> Entry:
    entry = {
        "id": call.message_id,
        "called_at": iso(call.position.called_at_ms),
        "outcome": call.outcome,
        "label": call.label,
        "score": call.score,
        "model": call.model,
        "cached": call.cached,
        "text": call.text,
    }
    if call.text and len(call.text) > _TEXT_CHARS:
        return {**entry, "text": call.text[:_TEXT_CHARS], "truncated": True}
    return entry


def _hour(counted: tuple[int, Counts]) -> Entry:
    hour, counts = counted
    return {"hour": _hour_name(hour), "counts": counts}


def _hour_name(hour: int) -> str:
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC).strftime("%Y-%m-%dT%HZ")


def _error(reason: str) -> Entry:
    return {"status": "error", "error": reason}


def _read(payload: bytes) -> Entry | None:
    if len(payload) > QUESTION_BYTES:
        return None
    try:
        asked = from_json(payload)
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None


def _transaction(asked: Entry | None) -> str | None:
    """Return the transaction that a wrong question, too, can be recognised by."""
    transaction = asked.get("transaction") if asked else None
    if isinstance(transaction, str) and len(transaction) <= TRANSACTION_CHARS:
        return transaction
    return None
