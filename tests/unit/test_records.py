"""What is recorded, and what is said of it: written by hand, held to the model it stands for."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bridge import codec, records
from bridge.ports import Classification
from bridge.requests import Verdict

names = st.text("abcXYZ019_-", min_size=1, max_size=64)
scores = st.floats(0, 1).map(lambda score: round(score, 6))


@given(names, names, scores, st.none() | st.text(), st.none() | st.lists(st.text(), max_size=3))
def test_a_verdict_written_by_hand_is_the_models_own(device, message_id, score, text, degraded):
    """Reading it and writing it again by way of the model gives the same document."""
    said = json.dumps({"ham": round(1 - score, 6), "spam": score})
    origin = (1, b"k" * 16, None, device, message_id, 1_767_225_600_123, None)
    row = records.verdict(origin, Classification("ham", score, said, "spam@1"), "memory", text)
    payload = records.verdict_payload(row, total_ms=1.5, text=_sendable(text), degraded=degraded)
    verdict = Verdict.model_validate_json(payload)
    assert json.loads(payload) == json.loads(codec.encode(verdict))
    assert (verdict.id, verdict.device, verdict.score) == (message_id, device, score)
    assert verdict.ts == "2026-01-01T00:00:00.123Z"


def _sendable(text: str | None) -> str | None:
    """A text as it can have been received: UTF-8 has no lone surrogates."""
    return text if text is None else text.encode(errors="replace").decode()
