"""Every family of bad input that a device may send, and the answer that each must get.

Sizes are those of a bad day, and mostly over the bridge's default limit of 65,536 bytes (413). The
same kinds just under the limit reach the parser (422). The larger ones are answered 422 where a
bridge takes larger payloads, so both count as right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

UNKNOWN_MODEL: Final = 404
ID_REUSED: Final = 409
TOO_LARGE: Final = 413
INVALID: Final = 422


@dataclass(frozen=True, slots=True)
class Rubbish:
    """One way to be wrong.

    Args:
        name: For people and test ids.
        build: Makes a payload for a message id, so that no two payloads share one by accident.
        statuses: Which rejections are right.
        reuses_id: Bad only after another text under the same id was answered.
    """

    name: str
    build: Callable[[str], bytes]
    statuses: frozenset[int] = frozenset({INVALID})
    reuses_id: bool = False


_LARGE: Final = frozenset({TOO_LARGE, INVALID})


def _raw(payload: bytes) -> Callable[[str], bytes]:
    return lambda _message_id: payload


def _with(**fields: object) -> Callable[[str], bytes]:
    """Write the fields as JSON after a fitting id, which they may replace."""
    return lambda message_id: json.dumps({"id": message_id, **fields}).encode()


def _literal(field: str, literal: str) -> Callable[[str], bytes]:
    """Write one field as it stands: what `json.dumps` refuses, or takes too long to write."""
    return lambda message_id: f'{{"id":"{message_id}","{field}":{literal}}}'.encode()


def _keys(count: int) -> Callable[[str], bytes]:
    return _raw(b"{" + b",".join(b'"%d":0' % number for number in range(count)) + b"}")


FAMILIES: Final = (
    Rubbish("empty payload", _raw(b"")),
    Rubbish("only spaces", _raw(b" \t\r\n ")),
    Rubbish("not UTF-8", _raw(b"free \xff\xfe prize")),
    Rubbish("NUL in plain text", _raw(b"free\0prize")),
    Rubbish("lone surrogate in plain text", _raw(b"free \xed\xa0\x80 prize")),
    Rubbish("not UTF-8 in JSON", _raw(b'{"text":"free \xff\xfe prize"}')),
    Rubbish("broken JSON", _raw(b'{"text":"free prize')),
    Rubbish("JSON and more", _raw(b'{"text":"free prize"} {')),
    Rubbish("no text", _with(txt="free prize")),
    Rubbish("text is null", _with(text=None)),
    Rubbish("text is a number", _with(text=7)),
    Rubbish("text is a list", _with(text=["free", "prize"])),
    Rubbish("text is empty", _with(text="")),
    Rubbish("text is spaces", _with(text=" \u00a0\t ")),
    Rubbish("NUL in text", _with(text="free\0prize")),
    Rubbish("lone surrogate", _literal("text", r'"free \ud83d prize"')),
    Rubbish("NaN as text", _literal("text", "NaN")),
    Rubbish("NaN elsewhere", _literal("text", '"free prize","battery":NaN')),
    Rubbish("text too long", _with(text="prize " * 1_700), frozenset({TOO_LARGE})),
    Rubbish("payload too long", _raw(b"prize " * 11_000), frozenset({TOO_LARGE})),
    Rubbish("5,000 keys", _keys(5_000)),
    Rubbish("100,000 keys", _keys(100_000), _LARGE),
    Rubbish("nesting 30,000 deep", _literal("text", "[" * 30_000 + "]" * 30_000)),
    Rubbish("nesting 100,000 deep", _literal("text", "[" * 100_000 + "]" * 100_000), _LARGE),
    Rubbish("nesting never closed", _literal("text", '{"a":' * 10_000)),
    Rubbish("a number of 60,000 digits", _literal("text", "9" * 60_000)),
    Rubbish("a number of 100,000 digits", _literal("text", "9" * 100_000), _LARGE),
    Rubbish("id too long", _with(id="i" * 65, text="free prize")),
    Rubbish("id of odd characters", _with(id="../+/#\u202e", text="free prize")),
    Rubbish("id is empty", _with(id="", text="free prize")),
    Rubbish("id is a number", _with(id=7, text="free prize")),
    Rubbish("ts is nonsense", _with(ts="yesterday", text="free prize")),
    Rubbish("ts without a zone", _with(ts="2026-01-01T00:00:00", text="free prize")),
    Rubbish("ts far off", _with(ts="9999-12-31T23:59:59Z", text="free prize")),
    Rubbish("model of odd spelling", _with(model="Spam Model", text="free prize")),
    Rubbish(
        "unknown model", _with(model="nobodys@999", text="free prize"), frozenset({UNKNOWN_MODEL})
    ),
    Rubbish(
        "id reused for another text",
        _with(text="not what this id said before"),
        frozenset({ID_REUSED}),
        reuses_id=True,
    ),
)
