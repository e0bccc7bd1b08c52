"""What the devices say is decided by the seed alone."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from edge_simulator.plan import Plan, Row, Shares, Step, read_rows
from edge_simulator.rubbish import FAMILIES

ROWS = [Row("ham", f"hello {number}") for number in range(50)] + [Row("spam", '{"free": "prize"}')]
EVERYTHING = Shares(plain=0.4, rubbish=0.3, repeats=0.5)


def steps(count: int, shares: Shares, *, seed: int = 1, device: int = 0) -> list[Step]:
    """Return a plan's first steps."""
    return list(islice(Plan(ROWS, shares, seed, device, 2**28).steps(), count))


def test_the_same_seed_says_the_same() -> None:
    """Byte for byte, ids too."""
    assert steps(200, EVERYTHING) == steps(200, EVERYTHING)


def test_seeds_and_devices_differ() -> None:
    """No two devices say the same, nor does one with another seed."""
    first = [step.message for step in steps(50, Shares())]
    assert first != [step.message for step in steps(50, Shares(), device=1)]
    assert first != [step.message for step in steps(50, Shares(), seed=2)]


def test_ids_are_unique_and_fit() -> None:
    """An id names one message of a device, by the bridge's grammar."""
    said = steps(500, EVERYTHING, seed=2**32 - 1)
    names = [step.message.id for step in said]
    names += [step.then.message.id for step in said if step.then and step.then.rubbish]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", name) for name in names)


def test_no_options_reuse_an_id_for_another_text() -> None:
    """Running a seed again with other shares must not look like misuse to a bridge."""
    texts: dict[str, str] = {}
    for shares in (Shares(), Shares(plain=0), Shares(rubbish=0.5), Shares(repeats=1)):
        for step in steps(200, shares):
            if step.row is not None and not step.message.correlated:
                assert texts.setdefault(step.message.id, step.row.text) == step.row.text


def test_a_repeat_is_the_very_same_message() -> None:
    """It follows its own answer."""
    repeats = [step for step in steps(100, Shares(plain=0, repeats=1)) if step.then]
    assert len(repeats) == 100
    assert all(step.then and step.then.message == step.message for step in repeats)


def test_a_reused_id_follows_an_answered_message() -> None:
    """Another text under the same id, which the outbox knows by another name."""
    reuse = next(step for step in steps(200, Shares(rubbish=1)) if step.then)
    assert reuse.then is not None
    assert json.loads(reuse.then.message.payload)["id"] == reuse.message.id
    assert reuse.then.message.id != reuse.message.id
    assert reuse.then.rubbish is not None
    assert reuse.then.rubbish.reuses_id


def test_one_device_meets_every_family() -> None:
    """Chance skips none."""
    met = {step.rubbish or (step.then and step.then.rubbish) for step in steps(100, Shares(0, 1))}
    assert met == set(FAMILIES)


def test_what_the_broker_would_not_carry_is_left_out() -> None:
    """No family is larger than the broker's packets."""
    plan = Plan(ROWS, Shares(rubbish=1), 1, 0, largest_payload_bytes=70_000)
    assert max(len(step.message.payload) for step in islice(plan.steps(), 200)) <= 70_000


def test_a_text_like_json_is_sent_in_json() -> None:
    """The row with a brace is never sent as plain text."""
    braces = [
        step for step in steps(500, Shares(plain=1)) if step.row and step.row.text.startswith("{")
    ]
    assert braces
    assert not any(step.message.correlated for step in braces)


def test_rows_are_read_with_their_line_breaks(tmp_path: Path) -> None:
    """A quoted text may go over lines."""
    file = tmp_path / "rows.csv"
    file.write_bytes(b'label,text,source\nham,"one\r\ntwo",x\nspam,"a ""free"" prize",x\n')
    assert read_rows(file) == [Row("ham", "one\r\ntwo"), Row("spam", 'a "free" prize')]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("a,b\n1,2\n", "no column 'label'"), ("label,text\n", "no rows"), ("", "no rows")],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    """The message names what is missing."""
    file = tmp_path / "rows.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        read_rows(file)
