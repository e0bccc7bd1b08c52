"""The model that is shipped: trained on every text, kept under build/, exported as a bundle."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from training import data, export, protocol
from training.config import ModelConfig
from training.data import Texts
from training.errors import TrainingError
from training.model import Model, fit
from training.protocol import BUILD, config_name
from training.report import REPORTS


def train(
    config: ModelConfig, advance: Callable[[float], None], texts: Texts | None = None
) -> Model:
    """Train with the configuration's first seed and keep the bundle under ``build/``.

    Args:
        config: What to train.
        advance: Told how far the work is, 0 to 1.
        texts: The texts to learn; the workshop's if not given. Those written for the project
            are learnt with them.
    """
    texts = data.workshop() if texts is None else texts
    extra = protocol.written(config)
    model = fit(config, texts if extra is None else texts.and_also(extra), config.seeds[0], advance)
    export.export(config, model, _metrics(config), _trained(config))
    return model


def ship(config: ModelConfig, models: Path = export.MODELS) -> Path:
    """Put the bundle that ``train`` kept where serving looks for it.

    Returns:
        The bundle's folder.

    Raises:
        TrainingError: Nothing was trained.
    """
    if not (_trained(config) / "bundle.json").is_file():
        raise TrainingError("nothing is trained yet: run `python -m training train`")
    export.describe(config, _metrics(config), _trained(config))
    directory = models / config.name / str(config.version)
    shutil.copytree(_trained(config), directory, dirs_exist_ok=True)
    return directory


def _metrics(config: ModelConfig) -> dict[str, float]:
    """Read what `evaluate` found for this configuration; nothing if it has not run."""
    path = REPORTS / f"{config_name(config)}.json"
    if not path.is_file():
        return {}
    figures: dict[str, float] = json.loads(path.read_text("utf-8"))["mean"]
    return figures


def _trained(config: ModelConfig) -> Path:
    return BUILD / config_name(config) / "trained"
