"""A configuration file: what is trained, and how."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from training.errors import TrainingError

CONFIGS = Path(__file__).parent / "configs"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WideSettings(_Frozen):
    """The linear path over hashed n-grams."""

    bits: int
    svm_c: float
    logistic_c: float
    copies: int
    copy_weight: float
    written_share: float
    comments_weight: float
    traits_weight: float
    share: float


class DeepNetwork(_Frozen):
    """Sizes of the bidirectional LSTM over hashed tokens."""

    table_bits: int
    width: int
    stride: int
    lstm: int
    dense: int
    spatial_dropout: float
    dropout: float


class DeepTraining(_Frozen):
    """How the bidirectional LSTM is trained."""

    epochs: int
    patience: int
    batch: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    soft: float
    hidden: float
    held_out: float


class Disguises(_Frozen):
    """Shares of the rows that are written another way each time."""

    case: float
    words: float
    disguised: float
    numbers: float


class WorkshopNetwork(_Frozen):
    """Sizes of the workshop's network."""

    words: int
    length: int
    width: int
    spatial_dropout: float
    lstm: int


class WorkshopTraining(_Frozen):
    """How the workshop's network is trained."""

    epochs: int
    batch: int
    held_out: float


class _Config(_Frozen):
    name: str
    version: int
    seeds: tuple[int, ...]
    synthetic: bool


class ModelConfig(_Config):
    """A bidirectional LSTM, with a linear path beside it or alone; every token has a number."""

    kind: Literal["wide-and-deep", "deep"]
    written_per_template: int
    threshold: float
    wide: WideSettings | None = None
    network: DeepNetwork
    training: DeepTraining
    augmentation: Disguises


class WorkshopConfig(_Config):
    """The network of the workshop: the 280 most frequent words, one LSTM."""

    kind: Literal["workshop"]
    network: WorkshopNetwork
    training: WorkshopTraining


class SvcConfig(_Config):
    """Word and character n-grams with a linear support vector machine, as scikit-learn has them."""

    kind: Literal["svc"]
    c: float
    canonical: bool


Config = ModelConfig | WorkshopConfig | SvcConfig


def load(name: str) -> Config:
    """Read ``training/configs/{name}.toml``.

    Raises:
        TrainingError: There is no such file, or it says something unknown.
    """
    path = CONFIGS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise TrainingError(f"no configuration {name!r}: there are {known}")
    try:
        adapter: TypeAdapter[Config] = TypeAdapter(Annotated[Config, Field(discriminator="kind")])
        return adapter.validate_python(tomllib.loads(path.read_text("utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        first = str(error).replace("\n", " ")[:200]
        raise TrainingError(f"{path.name} cannot be used: {first}") from error
