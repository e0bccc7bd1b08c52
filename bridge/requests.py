"""What comes in and goes out: the payloads of a device's topics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    field_validator,
)
from pydantic_core import PydanticCustomError

MessageId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
ModelVersion = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}@[0-9]{1,9}$")]

# An error must never carry what the device sent: pydantic keeps the input otherwise.
_STRICT = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


class Request(BaseModel):
    """A text to classify, as a device publishes it. Only ``text`` is required."""

    model_config = _STRICT

    text: str
    id: MessageId | None = Field(
        default=None, description="Repeat a message under the same id: it gets the same answer."
    )
    ts: AwareDatetime | None = Field(
        default=None, description="The device's clock; kept, but decides neither hour nor order."
    )
    model: ModelVersion | None = None
    skip_cache: bool = False
    echo: bool = False

    @field_validator("text")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text or text.isspace():
            raise PydanticCustomError("empty_text", "text is empty or only spaces")
        if "\0" in text:
            raise PydanticCustomError("nul_in_text", "text holds a NUL character")
        return text


class Identified(BaseModel):
    """Of a request that is otherwise invalid: the id, by which its sender knows the rejection."""

    model_config = _STRICT

    id: MessageId


Cached = Literal["memory", "store", "corrected", "no"]


class Verdict(BaseModel):
    """The answer to a request, on the device's ``out`` topic."""

    model_config = ConfigDict(frozen=True)

    id: str
    device: str
    label: str
    score: FiniteFloat = Field(
        description="The calibrated probability of spam, whatever the label."
    )
    scores: dict[str, FiniteFloat]
    model: str
    cached: Cached
    ts: str = Field(description="When the bridge was called: its clock, UTC, milliseconds.")
    ms: dict[str, FiniteFloat]
    text: str | None = None
    degraded: list[str] | None = None


class Rejection(BaseModel):
    """Why there is no verdict, on the device's ``err`` topic (a problem document, RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    id: str
    device: str
    status: Literal[404, 409, 413, 422, 429, 503]
    type: str
    title: str
    errors: list[dict[str, object]] | None = None
    hint: str | None = None
    retry_after_s: FiniteFloat | None = None

    @property
    def is_final(self) -> bool:
        """Whether sending the same message again would bring the same answer."""
        return self.status not in (429, 503)
