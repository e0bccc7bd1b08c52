"""Bytes to requests, verdicts and rejections to bytes. Pure.

Whatever a device sends, what leaves here names places and rules, never the input.
"""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from bridge.errors import InvalidMessage
from bridge.requests import Identified, Rejection, Request, Verdict

# The validator itself: `model_validate_json` sorts out its options first, half as long again.
_read_request = Request.__pydantic_validator__.validate_json


def decode(payload: bytes, *, payload_bytes: int, text_chars: int) -> Request:
    """Read a request: JSON where the payload starts with ``{``, otherwise the text itself.

    Args:
        payload: As published.
        payload_bytes: The most a payload may have; checked before anything is parsed.
        text_chars: The most a text may have.

    Raises:
        InvalidMessage: 413 too large, 422 anything else; with the id where one is readable.
    """
    if len(payload) > payload_bytes:
        title = f"payload has {len(payload)} bytes; at most {payload_bytes} are taken"
        raise InvalidMessage(413, "payload_too_large", title)
    request = _decode_json(payload) if payload.startswith(b"{") else _decode_plain(payload)
    if len(request.text) > text_chars:
        title = f"text has {len(request.text)} characters; at most {text_chars} are taken"
        raise InvalidMessage(413, "text_too_large", title, message_id=request.id)
    return request


def encode(answer: Verdict | Rejection) -> bytes:
    """Write an answer as JSON, without what it does not say."""
    # The serializer itself: model_dump_json decodes to str, which is encoded again.
    return answer.__pydantic_serializer__.to_json(answer, exclude_none=True)


def _decode_json(payload: bytes) -> Request:
    # pydantic reads NaN in fields that it ignores; RFC 8259, section 6, has no such number.
    # `find`, for `in` tries its left side as a number first, twice as long.
    if payload.find(b"NaN") >= 0 or payload.find(b"Infinity") >= 0:
        _refuse_nan(payload)
    try:
        return _read_request(payload)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise _invalid(error, _id_of(payload)) from None


def _decode_plain(payload: bytes) -> Request:
    if not payload:
        raise InvalidMessage(422, "invalid_payload", "payload is empty")
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        # None of the error itself: it holds the payload.
        title = f"payload is not UTF-8 at byte {error.start}"
        raise InvalidMessage(422, "invalid_payload", title) from None
    try:
        return Request(text=text)
    except ValidationError as error:
        raise _invalid(error, None) from None


def _refuse_nan(payload: bytes) -> None:
    try:
        from_json(payload, allow_inf_nan=False)
    except ValueError:
        title = "payload is not valid JSON (NaN and Infinity are no JSON numbers)"
        raise InvalidMessage(422, "invalid_payload", title, message_id=_id_of(payload)) from None


def _id_of(payload: bytes) -> str | None:
    try:
        return Identified.model_validate_json(payload).id
    except ValidationError:
        return None


def _invalid(error: ValidationError, message_id: str | None) -> InvalidMessage:
    errors: list[dict[str, object]] = [
        {"loc": list(detail["loc"]), "msg": detail["msg"]}
        for detail in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return InvalidMessage(
        422, "invalid_payload", _title(error), errors=errors, message_id=message_id
    )


def _title(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"{field} is missing"
    if first["type"] == "json_invalid":
        return "payload starts with { but is not valid JSON"
    if first["type"] in ("empty_text", "nul_in_text"):
        return first["msg"]
    return f"{field} is not valid"


def schemas() -> dict[str, dict[str, object]]:
    """Return the JSON schemas of the payloads, for the retained ``info``."""
    models: tuple[type[BaseModel], ...] = (Request, Verdict, Rejection)
    return {model.__name__.lower(): model.model_json_schema() for model in models}
