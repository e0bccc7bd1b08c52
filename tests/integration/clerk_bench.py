"""How long questions over a large journal take, and how much memory the clerk has meanwhile.

``python tests/integration/clerk_bench.py --calls 1000000`` fills a journal in a temporary folder
and prints what the clerk's own rooms do with it, in a process of their own.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from bridge.ports import CallRow
from bridge.storage.answers import Answers
from bridge.storage.catalog import Catalog
from bridge.storage.keeper import Keeper, Keeping
from bridge.storage.segment_log import SegmentLog
from bridge.storage.segments import COUNTERS, create

SEGMENT_ROWS = 250_000
_INSERT = f"INSERT INTO calls VALUES ({', '.join('?' * (1 + len(CallRow._fields)))})"  # noqa: S608 - placeholders
_WORDS = ("free", "call", "now", "claim", "prize", "stop", "account", "meet", "seven", "see", "ok")


def fill(
    folder: Path, calls: int, *, devices: int = 50, until_ms: int, segment_rows: int = SEGMENT_ROWS
) -> None:
    """Write a journal of ``calls`` made-up calls, one a millisecond, the last at ``until_ms``.

    Written without fsync and by the segment: a million in some ten seconds. Hours do not close
    segments, row counts do; the last segment is left open, and full at the most.

    Args:
        folder: The journal's; it must hold none.
        calls: How many.
        devices: Spread at random over ``bench-0`` and so on.
        until_ms: Unix milliseconds.
        segment_rows: Calls in a segment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = _rows(calls, devices, until_ms - calls)
    totals = dict.fromkeys(COUNTERS, 0)
    for first in range(1, calls + 1, segment_rows):
        last = min(calls, first + segment_rows - 1)
        segment = create(folder, first, totals)
        totals |= {"received": last, "verdicts": last}
        with closing(segment.write()) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            connection.executemany(_INSERT, (next(rows) for _ in range(first, last + 1)))
            connection.execute("UPDATE ledger SET received = ?, verdicts = ?", (last, last))
            connection.execute("COMMIT")


def _rows(calls: int, devices: int, start_ms: int) -> Iterator[tuple[object, ...]]:
    chance = random.Random(1)
    texts = [" ".join(chance.choices(_WORDS, k=15)) for _ in range(5_000)]
    for number in range(1, calls + 1):
        is_spam = chance.random() < 0.2
        label, score = ("spam", 0.983) if is_spam else ("ham", 0.017)
        yield (
            number,
            *CallRow(
                key=chance.getrandbits(63) or 1,
                fingerprint=chance.randbytes(16),
                requested_model=None,
                device=f"bench-{chance.randrange(devices)}",
                message_id=f"{chance.getrandbits(64):016x}",
                called_at_ms=start_ms + number,
                device_ts_ms=None,
                outcome="verdict",
                label=label,
                score=score,
                scores='{"ham":0.017,"spam":0.983}',
                model="spam@1",
                cached="no",
                problem=None,
                text=texts[number % len(texts)],
            ),
        )


def measure(folder: Path) -> dict[str, float]:
    """Ask questions of the journal in ``folder`` in a process of their own.

    Returns:
        Seconds by question, and the process's memory in megabytes.
    """
    command = [sys.executable, __file__, "--measure", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return figures


def _measure(folder: Path) -> dict[str, float]:
    figures = {"rss_before_mb": _peak_mb()}

    def timed(name: str, do: Callable[[], bytes]) -> dict[str, object]:
        start_s = time.perf_counter()
        answer = json.loads(do())
        figures[name] = round(time.perf_counter() - start_s, 4)
        assert answer["status"] == "ok", answer
        return answer["data"]

    catalog = Catalog(folder)
    keeper = Keeper(folder, catalog, Keeping(keep_ms=1 << 60, window_ms=0))
    start_s = time.perf_counter()
    indexed = 0
    while not keeper.keep(0).is_done:
        indexed += 1
    figures["index_s_per_segment"] = round((time.perf_counter() - start_s) / max(indexed, 1), 3)
    figures["rss_indexed_mb"] = _peak_mb()
    answers = Answers(SegmentLog(catalog), "bench")

    def ask(verb: str, **question: object) -> Callable[[], bytes]:
        return lambda: answers.to(verb, json.dumps(question).encode())

    timed("calls_first_ever_s", ask("calls", device="bench-7"))
    page = timed("calls_first_page_s", ask("calls", device="bench-7"))
    figures["total"] = float(page["total"])
    pages = 1
    start_s = time.perf_counter()
    while page["next"]:
        page = timed(
            "calls_last_page_s", ask("calls", device="bench-7", limit=1000, cursor=page["next"])
        )
        pages += 1
    figures["calls_all_pages_s"] = round(time.perf_counter() - start_s, 3)
    figures["pages"] = pages
    timed("stats_of_all_s", ask("stats"))
    timed("stats_of_one_s", ask("stats", device="bench-7"))
    for _ in range(200):
        timed("calls_200th_s", ask("calls", device="bench-3", limit=1000))
    figures["rss_after_mb"] = _peak_mb()
    return figures


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def main() -> None:
    """Fill and measure, or only measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--measure", type=Path, help="a journal's folder")
    arguments = parser.parse_args()
    if arguments.measure:
        sys.stdout.write(json.dumps(_measure(arguments.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        fill(
            Path(folder),
            arguments.calls,
            devices=arguments.devices,
            until_ms=time.time_ns() // 1_000_000,
        )
        filled_s = round(time.perf_counter() - start_s, 1)
        figures = {"fill_s": filled_s, **measure(Path(folder))}
    for name, figure in figures.items():
        sys.stdout.write(f"{name:24} {figure:g}\n")


if __name__ == "__main__":
    main()
