"""The benchmark's own parts: what judges the bridge must not be wrong itself."""

from __future__ import annotations

import json
from dataclasses import replace
from statistics import median

import mqtt5
import numpy as np
import pytest

from tests.bench import messages
from tests.bench.contenders import Throughput
from tests.bench.figures import ECHO, WARM, Figures, per_s
from tests.bench.load import Load, Run
from tests.bench.promise import Promise
from tests.bench.texts import NewTexts, dataset, distinct

RUN = Throughput(
    per_s=1.0,
    cpu_us=1.0,
    broker_us=1.0,
    generator_us=1.0,
    generator_share=0.1,
    broker_share=0.5,
    others_share=0.0,
)


def _answers(count: int, size: int = 300) -> bytes:
    payload = b"x" * size
    return b"".join(mqtt5.PublishPacket("a/out", payload).write() for _ in range(count))


@pytest.mark.parametrize("size", [1, 100, 150, 5_000])
@pytest.mark.parametrize("cut", [1, 7, 128, 1_000_000])
def test_answers_are_counted_wherever_a_chunk_ends(size: int, cut: int):
    """However the stream is cut, each answer counts once, when it is whole."""
    load = Load.__new__(Load)
    load._partial = b""
    stream = _answers(20, size)
    counted = [load._count(stream[at : at + cut]) for at in range(0, len(stream), cut)]
    assert sum(counted) == 20
    assert load._partial == b""


def test_latency_counts_from_when_a_message_was_due():
    """Two answers in one chunk arrive together; each has waited since its own time."""
    run = Run(arrivals=[(10.5, 2), (11.0, 3)], due=np.array([10.0, 10.1, 10.2]))
    assert run.latencies_ms == pytest.approx([500, 400, 800])


def test_an_answer_from_elsewhere_is_noticed():
    """Verdicts that are not from where they should be end the benchmark."""
    sent = messages.encode("bench", ["one", "two"])
    stream = b"".join(
        mqtt5.PublishPacket("out", json.dumps({"id": id_, "cached": "no"}).encode()).write()
        for id_ in sent.ids
    )
    messages.check(sent, stream, "no")
    with pytest.raises(messages.UnexpectedAnswerError):
        messages.check(sent, stream, "memory")
    with pytest.raises(messages.UnexpectedAnswerError):
        messages.check(messages.encode("bench", ["one", "two"]), stream, None)


def test_strays_are_counted_where_they_are_allowed():
    """A verdict from elsewhere is one, and so is one from a path that is degraded."""
    sent = messages.encode("bench", ["one", "two", "three", "four"])
    verdicts = [{"cached": "no"}, {"cached": "store"}, {"cached": "no", "degraded": ["late"]}] * 2
    stream = b"".join(
        mqtt5.PublishPacket("out", json.dumps({"id": id_, **verdict}).encode()).write()
        for id_, verdict in zip(sent.ids, verdicts, strict=False)
    )
    assert messages.check(sent, stream, "no", strays_max=0.5) == 0.5
    with pytest.raises(messages.UnexpectedAnswerError):
        messages.check(sent, stream, "no", strays_max=0.4)


def test_new_texts_are_new_and_as_long_as_real_ones():
    """No text comes twice or from the data set, and lengths keep their distribution."""
    texts = NewTexts(seed=3).take(5_000)
    known = dataset()
    assert len(set(texts)) == len(texts)
    assert not set(texts) & set(known)
    assert median(map(len, texts)) == pytest.approx(median(map(len, known)), rel=0.1)


def test_distinct_texts_are_distinct():
    """As many as are asked for, each once."""
    assert len(set(distinct(5_000))) == 5_000


def test_a_ratio_is_the_median_of_each_turn_s_ratio():
    """A turn in which the machine was slow is slow for both."""
    figures = Figures()
    figures.runs[ECHO] = [replace(RUN, per_s=speed) for speed in (1, 10, 100)]
    figures.runs[WARM] = [replace(RUN, per_s=speed) for speed in (2, 30, 200)]
    assert figures.ratio(WARM, per_s) == 2


def test_a_promise_is_judged_by_must_and_goal():
    """A ceiling is kept below it, any other bound above."""
    speed = [Promise("speed", figure, must=2.0, goal=2.6) for figure in (1.9, 2.1, 2.7)]
    assert [(each.is_kept, each.is_reached) for each in speed] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    size = [Promise("size", figure, must=350, is_ceiling=True) for figure in (350, 351)]
    assert [each.is_kept for each in size] == [True, False]
