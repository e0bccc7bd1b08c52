"""A model bundle: verified before it serves, then texts to calibrated scores.

A bundle is a folder of data, never of code: ``bundle.json`` says what the network needs and what
each file's SHA-256 is, ``golden.json`` what it must answer. Whatever does not fit is refused with
``BadBundle``, and the caller keeps the model it has.
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bridge.errors import BadBundle
from bridge.inference.encode import pad
from bridge.inference.inputs import Batch, prepare
from bridge.inference.manifest import WIDE_FILE, Golden, Manifest
from bridge.inference.network import Network
from bridge.inference.wide import Wide, table_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TOLERANCE: Final = 1e-4
"""How far a golden score may be off: what rounding differs by between processors."""

_TEXTS_AT_ONCE: Final = 64
_PADDED_TOKENS_AT_ONCE: Final = 1_024
"""A sub-batch holds texts of similar length, so that one long text does not pad 63 short ones."""

_WORTH_A_THREAD: Final = 32
"""Texts from which on both paths work side by side; below, handing over costs what it gains."""

_beside: Final = ThreadPoolExecutor(1, "lstm")

_GOLDEN: Final = TypeAdapter(tuple[Golden, ...])

_Group = tuple["NDArray[np.int64]", "NDArray[np.int32]", "NDArray[np.int32]"]
"""Texts that are read together: their rows in the batch, and what the network is given."""


class Bundle:
    """A loaded model. One thread may use it at a time.

    Attributes:
        name: The model's name, such as ``spam``.
        version: Its version, from 1.
        model_version: Both, as requests and verdicts write it: ``spam@1``.
        labels: What the columns of the scores mean.
        threshold: A text is spam when its score for ``spam`` reaches this.
        metrics: Figures of the evaluation, by name.
    """

    def __init__(self, manifest: Manifest, network: Network, wide: Wide | None) -> None:
        self.name = manifest.name
        self.version = manifest.version
        self.model_version = f"{manifest.name}@{manifest.version}"
        self.labels = manifest.labels
        self.threshold = manifest.threshold
        self.metrics = dict(manifest.metrics)
        self._preparation = manifest.preparation
        self._calibration = manifest.calibration
        self._network = network
        self._wide = wide
        if wide:
            _beside.submit(int)  # starts the thread: what a process holds is there from its start

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Score texts as they were received.

        Args:
            texts: Any number from one, of any length, in any order.

        Returns:
            (n, len(labels)) float64: calibrated probabilities, each row summing to 1.
        """
        spam = self._calibration.probability(self.logits(texts))
        return np.stack([1.0 - spam, spam], axis=1)

    def logits(self, texts: Sequence[str], path: str = "both") -> NDArray[np.float64]:
        """Give the logit of spam before the calibration, (n,), or that of ``wide`` or ``deep``."""
        batch = self.prepare(texts)
        wide = self._wide
        if path == "wide" and wide:
            return wide.logits(batch.grams)
        deep = np.empty(len(texts))
        # Laid out before anybody reads: done between two groups, it has both threads wait for the
        # interpreter in turns. Long ones first, so that both end together.
        groups = iter(
            [
                (rows, *pad(batch.encoded, rows, self._preparation.stride))
                for rows in reversed(sub_batches(batch.encoded.lengths))
            ]
        )
        if path == "deep" or wide is None:
            self._read(groups, deep)
            return deep
        # ONNX Runtime lets go of the interpreter while it works: both paths at once, and what is
        # left of the LSTM's then on both threads, which take their groups from one iterator.
        beside = None
        if len(texts) >= _WORTH_A_THREAD:
            beside = _beside.submit(self._read, groups, deep)
        logits = wide.share * wide.logits(batch.grams)
        self._read(groups, deep)
        if beside:
            beside.result()
        logits += (1 - wide.share) * deep
        return logits

    def prepare(self, texts: Sequence[str]) -> Batch:
        """Prepare texts for both paths."""
        return prepare(texts, self._preparation.table_bits, self._preparation.wide_bits)

    def _read(self, groups: Iterator[_Group], logits: NDArray[np.float64]) -> None:
        """Fill in the LSTM's logits of the groups of texts that nobody has taken yet."""
        for rows, ids, steps in groups:
            logits[rows] = self._network.logits(ids, steps)


def load(directory: Path, *, threads: int = 1) -> Bundle:
    """Load and verify a bundle.

    Args:
        directory: The bundle's folder, ``models/{name}/{version}``.
        threads: How many threads one inference may use.

    Raises:
        BadBundle: A file is missing or altered, the schema is another, or the network does not
            answer what ``golden.json`` says.
    """
    manifest = _manifest(directory)
    files = {name: _verified(directory / name, digest) for name, digest in manifest.files.items()}
    network = Network(files["model.onnx"], threads=threads)
    bundle = Bundle(manifest, network, _wide(manifest, files.get(WIDE_FILE)))
    _check_golden(bundle, files["golden.json"])
    return bundle


def sub_batches(lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Group texts of similar length, shortest first, within a bound on padded tokens.

    Args:
        lengths: (n,) int64, tokens of each text.

    Returns:
        Row numbers, each once.
    """
    order = np.argsort(lengths, kind="stable")
    groups = []
    while len(order):
        count = min(_TEXTS_AT_ONCE, len(order))
        while count > 1 and count * lengths[order[count - 1]] > _PADDED_TOKENS_AT_ONCE:
            count -= 1
        groups.append(order[:count])
        order = order[count:]
    return groups


def _manifest(directory: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(_read(directory / "bundle.json"))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise BadBundle(f"{directory}/bundle.json: {place}: {first['msg']}") from None


def _wide(manifest: Manifest, content: bytes | None) -> Wide | None:
    bits = manifest.preparation.wide_bits
    if manifest.wide is None or content is None or bits is None:
        return None
    try:
        table = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise BadBundle(f"{WIDE_FILE} is no array") from None
    if table.shape != (table_rows(bits),) or table.dtype != np.float16:
        raise BadBundle(f"{WIDE_FILE} is not the table that bundle.json tells of")
    return Wide(table.astype(np.float32), manifest.wide.intercept, manifest.wide.share)


def _verified(path: Path, digest: str) -> bytes:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != digest:
        raise BadBundle(f"{path}: is not the file that bundle.json names (SHA-256 differs)")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadBundle(f"{path}: {error.strerror}") from error


def _check_golden(bundle: Bundle, content: bytes) -> None:
    try:
        golden = _GOLDEN.validate_json(content)
    except ValidationError:
        raise BadBundle(f"golden.json of {bundle.model_version} is malformed") from None
    if not golden:
        raise BadBundle(f"golden.json of {bundle.model_version} holds no example")
    if any(len(example.scores) != len(bundle.labels) for example in golden):
        raise BadBundle(f"golden.json of {bundle.model_version} has other labels")
    expected = np.array([example.scores for example in golden])
    try:
        answered = bundle.scores([example.text for example in golden])
    except Exception as error:  # ONNX Runtime's errors share no base but this
        raise BadBundle(f"{bundle.model_version} cannot run: {type(error).__name__}") from error
    if answered.shape != expected.shape or np.abs(answered - expected).max() > TOLERANCE:
        raise BadBundle(f"{bundle.model_version} does not answer what its golden.json says")
