"""Write a bundle: data only, the same bytes for the same weights."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np
from numpy.typing import NDArray

from bridge.inference import bundle as serving
from bridge.inference.encode import FEATURES, LONGEST_TOKENS
from bridge.inference.manifest import WIDE_FILE
from bridge.text import VERSION
from training import attacks, card, data, onnx_graph
from training.config import ModelConfig
from training.errors import TrainingError
from training.model import Model

MODELS: Final = Path(__file__).parents[1] / "models"
PARITY: Final = 1e-4
"""How far ONNX Runtime may be from Keras, in probability."""

_PARITY_TEXTS: Final = 2_000
_GOLDEN_TEXTS: Final = (
    "hello, are we still meeting at six?",
    "FREE entry!! Win a new phone, text WIN to 80800 now. T&Cs apply, 150p/msg",
    "Check out my channel and subscribe please http://example.com/watch",
    "f r e e  c a s h, just cl1ck h3re",
    "Your verification code is 135790. Do not share it with anyone.",
    "ok",
    "I love this song \u2764",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043a\u0430\u043a \u0434\u0435\u043b\u0430?",
    "",
    "Dear customer, you have won a guaranteed prize. Call now to claim. " * 12,
)


def export(config: ModelConfig, model: Model, metrics: dict[str, float], directory: Path) -> None:
    """Write the bundle and check it the way serving will.

    Args:
        config: What was trained.
        model: The trained network.
        metrics: Figures of the evaluation, by name.
        directory: Where to; made if it is not there.

    Raises:
        TrainingError: ONNX Runtime's scores are further than ``PARITY`` from Keras'.
    """
    directory.mkdir(parents=True, exist_ok=True)
    scores = _scores(model, _GOLDEN_TEXTS)
    golden = [
        {"text": text, "scores": row} for text, row in zip(_GOLDEN_TEXTS, scores, strict=True)
    ]
    files = {
        "card.md": card.write(config, metrics).encode(),
        "golden.json": _json(golden),
        "model.onnx": onnx_graph.build(
            weights(model.network), config.network.stride
        ).SerializeToString(deterministic=True),
        "network.json": _json(json.loads(model.network.to_json())),
    }
    if model.linear is not None:
        files[WIDE_FILE] = _array(model.linear.table.astype(np.float16))
    for name, content in files.items():
        (directory / name).write_bytes(content)
    (directory / "bundle.json").write_bytes(_json(_manifest(config, model, metrics, files)))
    _check_parity(model, directory)


def describe(config: ModelConfig, metrics: dict[str, float], directory: Path) -> None:
    """Write an evaluation's figures into the card and the document of a bundle."""
    document = json.loads((directory / "bundle.json").read_text("utf-8"))
    text = card.write(config, metrics).encode()
    (directory / "card.md").write_bytes(text)
    document["metrics"] = metrics
    document["files"]["card.md"] = _digest(text)
    (directory / "bundle.json").write_bytes(_json(document))
    serving.load(directory)


def weights(network: keras.Model) -> dict[str, NDArray[np.float32]]:
    """Collect a network's weights as ``layer/weight``: asked for by name, never by position.

    Keras lists the backward LSTM first in some versions, and numbers its cells as it makes them.
    """
    both = network.get_layer("lstm")
    named = {f"{name}/embeddings": network.get_layer(name).embeddings for name in FEATURES}
    for way, layer in (("forward", both.forward_layer), ("backward", both.backward_layer)):
        for name in ("kernel", "recurrent_kernel", "bias"):
            named[f"{way}/{name}"] = getattr(layer.cell, name)
    for name in ("dense", "logit"):
        named[f"{name}/kernel"] = network.get_layer(name).kernel
        named[f"{name}/bias"] = network.get_layer(name).bias
    return {name: np.asarray(variable, np.float32) for name, variable in named.items()}


def _manifest(
    config: ModelConfig, model: Model, metrics: dict[str, float], files: dict[str, bytes]
) -> dict[str, object]:
    wide, linear = model.wide, model.linear
    return {
        "bundle_format": 1,
        "name": config.name,
        "version": config.version,
        "labels": list(data.LABELS),
        "preparation": {
            "text": VERSION,
            "longest_tokens": LONGEST_TOKENS,
            "table_bits": config.network.table_bits,
            "stride": config.network.stride,
            "wide_bits": None if wide is None else wide.bits,
        },
        "wide": None
        if wide is None or linear is None
        else {"share": wide.share, "intercept": linear.intercept},
        "calibration": {
            "method": "platt",
            "slope": model.calibration.slope,
            "intercept": model.calibration.intercept,
        },
        "threshold": model.threshold,
        "metrics": metrics,
        "training": {
            "configuration": config.model_dump(mode="json"),
            "data": {name: _digest((data.DATA / name).read_bytes()) for name in data.FILES},
        },
        "files": {name: _digest(content) for name, content in files.items()},
    }


def _check_parity(model: Model, directory: Path) -> None:
    """Compare on plain texts and on each attack."""
    chance = np.random.default_rng(0)
    texts = list(data.workshop().texts[:_PARITY_TEXTS:2])
    disguised = list(attacks.KNOWN.values())
    texts += [disguised[place % len(disguised)](text, chance) for place, text in enumerate(texts)]
    off = np.abs(serving.load(directory).scores(texts) - _scores(model, texts)).max()
    if off > PARITY:
        raise TrainingError(f"ONNX Runtime is {off:.1e} from Keras: nothing to ship")


def _scores(model: Model, texts: Sequence[str]) -> NDArray[np.float64]:
    spam = model.probabilities(texts)
    return np.stack([1 - spam, spam], axis=1)


def _json(value: object) -> bytes:
    """Write JSON with sorted keys: the same content is the same bytes."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=_plain)
    return (text + "\n").encode()


def _array(values: NDArray[np.generic]) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return [round(float(number), 6) for number in value]
    raise TypeError(type(value))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
