"""The model versions that serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bridge.errors import BadBundle, ConfigurationError, Unavailable
from bridge.inference.bundle import Bundle, load
from bridge.ports import Classification

_SCORE_DECIMALS = 6


class BundleClassifier:
    """A loaded bundle behind the path's port."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle  # its labels are ham and spam, in this order

    @property
    def model_version(self) -> str:
        """Such as ``spam@1``."""
        return self._bundle.model_version

    @property
    def metrics(self) -> Mapping[str, float]:
        """What its evaluation measured, by name."""
        return self._bundle.metrics

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """Classify 1 or more texts in one inference.

        Raises:
            Unavailable: The inference failed.
        """
        try:
            scores = self._bundle.scores(texts)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime has no tree
            raise Unavailable(f"{self.model_version}: {type(error).__name__}") from None
        if not np.isfinite(scores).all():
            raise Unavailable(f"{self.model_version}: a score that is no number")
        threshold, model = self._bundle.threshold, self.model_version
        return [
            Classification(
                "spam" if spam >= threshold else "ham",
                spam,
                f'{{"ham":{ham},"spam":{spam}}}',
                model,
            )
            for ham, spam in scores.round(_SCORE_DECIMALS).tolist()
        ]


def load_models(
    directory: Path, active: str, *, threads: int
) -> tuple[Mapping[str, BundleClassifier], list[str]]:
    """Load every bundle under ``directory`` (``{name}/{version}/``).

    Returns:
        The classifiers by model version, and why a bundle beside the active one does not serve.

    Raises:
        ConfigurationError: The active one is missing or must not serve.
    """
    models: dict[str, BundleClassifier] = {}
    refused = []
    for manifest in sorted(directory.glob("*/*/bundle.json")):
        folder = manifest.parent
        version = f"{folder.parent.name}@{folder.name}"
        try:
            models[version] = BundleClassifier(load(folder, threads=threads))
        except BadBundle as error:
            if version == active:
                raise ConfigurationError(f"BRIDGE_MODEL__ACTIVE: {error}") from None
            refused.append(f"{version} is refused: {error}")
    if active not in models:
        known = ", ".join(sorted(models)) or "no bundle at all"
        raise ConfigurationError(
            f"BRIDGE_MODEL__ACTIVE: {active} is not under {directory}; there is {known}"
        )
    return models, refused
