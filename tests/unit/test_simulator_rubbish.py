"""Every family of bad input is what it says it is, by the bridge's own decoder."""

import json

import pytest

from bridge.codec import decode
from bridge.errors import InvalidMessage
from edge_simulator.rubbish import FAMILIES, ID_REUSED, INVALID, TOO_LARGE, UNKNOWN_MODEL, Rubbish

# These are good requests by themselves: bad are the clock, the models, or what was said before.
DECIDED_LATER = {"ts far off", "unknown model", "id reused for another text"}

CAPS = {"payload_bytes": 65_536, "text_chars": 10_000}


def by_name(family: Rubbish) -> str:
    """Name a test after its family."""
    return family.name


@pytest.mark.parametrize("family", FAMILIES, ids=by_name)
def test_the_decoder_refuses_it_with_the_expected_status(family: Rubbish) -> None:
    """By the default limits each family gets its own status."""
    payload = family.build("m-1")
    if family.name in DECIDED_LATER:
        assert decode(payload, **CAPS).id == "m-1"
        return
    with pytest.raises(InvalidMessage) as refused:
        decode(payload, **CAPS)
    assert refused.value.status in family.statuses


@pytest.mark.parametrize("family", [f for f in FAMILIES if INVALID in f.statuses], ids=by_name)
def test_the_parser_itself_stands_it(family: Rubbish) -> None:
    """Where larger payloads are taken, the largest families reach the parser: still 422."""
    if family.name in DECIDED_LATER:
        return
    with pytest.raises(InvalidMessage) as refused:
        decode(family.build("m-1"), payload_bytes=2**21, text_chars=10_000)
    assert refused.value.status == INVALID


def test_all_final_rejections_are_provoked() -> None:
    """404, 409, 413 and 422 each have a family."""
    provoked = frozenset().union(*(family.statuses for family in FAMILIES))
    assert provoked == {UNKNOWN_MODEL, ID_REUSED, TOO_LARGE, INVALID}


def test_names_are_unique() -> None:
    """A test's id names one family."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_the_sizes_are_those_of_the_issue() -> None:
    """100,000 keys, 100,000 levels, 100,000 digits."""
    payloads = {family.name: family.build("m-1") for family in FAMILIES}
    assert len(json.loads(payloads["100,000 keys"])) == 100_000
    assert payloads["nesting 100,000 deep"].count(b"[") == 100_000
    assert payloads["a number of 100,000 digits"].count(b"9") == 100_000
