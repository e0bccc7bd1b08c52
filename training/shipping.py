"""The network that is shipped: trained on every text, kept under build/, exported as a bundle."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from training import data, network
from training import export as bundles
from training.calibration import Platt
from training.config import HashedConfig
from training.data import Texts
from training.errors import TrainingError
from training.hashed import HashedModel, fit
from training.protocol import BUILD, config_name
from training.report import REPORTS


def train(
    config: HashedConfig, advance: Callable[[float], None], texts: Texts | None = None
) -> HashedModel:
    """Train with the configuration's first seed and keep weights and calibration.

    Args:
        config: What to train.
        advance: Told how far the work is, 0 to 1.
        texts: The training rows; everything the repository holds if not given.
    """
    if texts is None:
        texts = data.workshop()
        texts = texts.and_also(data.synthetic()) if config.synthetic else texts
    model = fit(config, texts, config.seeds[0], advance)
    path = _weights(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, *model.network.get_weights())
    kept = {"slope": model.calibration.slope, "intercept": model.calibration.intercept}
    path.with_suffix(".json").write_text(json.dumps(kept) + "\n", "utf-8")
    return model


def export(config: HashedConfig, models: Path = bundles.MODELS) -> Path:
    """Write the bundle of what ``train`` kept.

    Returns:
        The bundle's folder.

    Raises:
        TrainingError: Nothing was trained, or the bundle does not answer as Keras does.
    """
    directory = models / config.name / str(config.version)
    bundles.export(config, _trained(config), _metrics(config), directory)
    return directory


def _trained(config: HashedConfig) -> HashedModel:
    try:
        kept = json.loads(_weights(config).with_suffix(".json").read_text("utf-8"))
        with np.load(_weights(config)) as arrays:
            weights = [arrays[name] for name in arrays.files]
    except FileNotFoundError as error:
        raise TrainingError("nothing is trained yet: run `python -m training train`") from error
    model = network.hashed(config.network)
    model.set_weights(weights)
    return HashedModel(model, Platt(kept["slope"], kept["intercept"]))


def _metrics(config: HashedConfig) -> dict[str, float]:
    """Read what `evaluate` found for this configuration; nothing if it has not run."""
    path = REPORTS / f"{config_name(config)}.json"
    if not path.is_file():
        return {}
    figures: dict[str, float] = json.loads(path.read_text("utf-8"))["mean"]
    return figures


def _weights(config: HashedConfig) -> Path:
    return BUILD / config_name(config) / "trained.npz"
