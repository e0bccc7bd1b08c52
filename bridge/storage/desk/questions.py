"""What can be asked of the call log. Times without an offset are UTC; hours always are."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bridge.storage.log.call_log import HOUR_MS, Position, Span
from bridge.topics import is_device_id

TRANSACTION_CHARS = 128
_ERROR_CHARS = 500


class Cursor(BaseModel):
    """Where the next page begins; the total is counted once, with the first page."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    called_at_ms: Annotated[int, Field(ge=0, lt=1 << 62)]
    tie: Annotated[int, Field(ge=0, lt=1 << 62)] | Annotated[str, Field(max_length=128)]
    total: Annotated[int, Field(ge=0)]

    @classmethod
    def after(cls, position: Position, total: int) -> Self:
        """Return the cursor of the page after ``position``."""
        return cls(called_at_ms=position.called_at_ms, tie=position.tie, total=total)

    def __str__(self) -> str:
        """Return it as clients carry it along: opaque."""
        return urlsafe_b64encode(self.model_dump_json().encode()).decode()

    @property
    def position(self) -> Position:
        """Return the place of the last call of the page before."""
        return Position(self.called_at_ms, self.tie)


def _cursor(value: Any) -> Cursor:
    try:
        return Cursor.model_validate_json(urlsafe_b64decode(value))
    except (ValueError, TypeError):
        raise PydanticCustomError("cursor", "must be the `next` of the page before") from None


def _moment_ms(value: Any) -> int:
    try:
        moment = datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        raise PydanticCustomError("moment", "must be a time such as 2026-01-01T13:30Z") from None


def _hour_ms(value: Any) -> int:
    try:
        return int(datetime.strptime(value, "%Y-%m-%dT%HZ").replace(tzinfo=UTC).timestamp()) * 1000
    except (ValueError, TypeError):
        raise PydanticCustomError("hour", "must be an hour such as 2026-01-01T13Z (UTC)") from None


def _device(name: str) -> str:
    if not is_device_id(name):
        raise PydanticCustomError("device", "must be 1 to 64 letters, digits, _ or -")
    return name


Device = Annotated[str, AfterValidator(_device)]
Moment = Annotated[int, BeforeValidator(_moment_ms)]
Hour = Annotated[int, BeforeValidator(_hour_ms)]


class _Question(BaseModel):
    # An unknown field is refused: a misspelled filter must not answer another question.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    transaction: Annotated[str, Field(max_length=TRANSACTION_CHARS)] | None = None
    from_ms: Annotated[Moment | None, Field(alias="from")] = None
    to_ms: Annotated[Moment | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _has_a_span(self) -> Self:
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise PydanticCustomError("span", "`from` must be before `to`")
        return self

    @property
    def span(self) -> Span:
        """Return the time asked about; all of it where none is given."""
        given = {"from_ms": self.from_ms, "to_ms": self.to_ms}
        return Span(**{name: ms for name, ms in given.items() if ms is not None})


class CallsQuestion(_Question):
    """Calls of one device, newest first."""

    device: Device
    hour: Hour | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[Cursor, BeforeValidator(_cursor)] | None = None

    @model_validator(mode="after")
    def _has_one_span(self) -> Self:
        if self.hour is not None and (self.from_ms is not None or self.to_ms is not None):
            raise PydanticCustomError("span", "give `hour`, or `from` and `to`, not both")
        return self

    @property
    def span(self) -> Span:
        """Return the hour or the time asked about."""
        return super().span if self.hour is None else Span(self.hour, self.hour + HOUR_MS)


class StatsQuestion(_Question):
    """Calls of one device, or of all, counted by hour."""

    device: Device | None = None


def explain(error: ValidationError) -> str:
    """Say in one line what is wrong with a question, without quoting it."""
    faults = error.errors(include_input=False, include_url=False)
    said = [": ".join((*(str(part) for part in fault["loc"]), fault["msg"])) for fault in faults]
    return "; ".join(said)[:_ERROR_CHARS]
