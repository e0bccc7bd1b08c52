"""``python -m training``: prepare, train, evaluate, export."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from training import config as configs
from training.errors import TrainingError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets with pages otherwise
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train, judge and ship models.",
)
console = Console()

ConfigOption = Annotated[
    str, typer.Option("--config", help="A file of training/configs, without its ending.")
]


@app.command()
def prepare() -> None:
    """Check the data, prepare every text, and say what there is to train on."""
    from bridge.text import canonicalise  # noqa: PLC0415
    from training import data  # noqa: PLC0415

    texts = data.workshop()
    table = Table("source", "label", "texts", "respelled", title="Texts to train on")
    for name, part in (("", texts), ("training only", data.synthetic())):
        prepared = [canonicalise(text) != text for text in part.texts]
        for source in sorted(set(part.sources)):
            for number, label in enumerate(data.LABELS):
                rows = (part.sources == source) & (part.labels == number)
                changed = sum(one for one, row in zip(prepared, rows, strict=True) if row)
                if rows.any():
                    table.add_row(f"{source} {name}", label, str(rows.sum()), str(changed))
    console.print(table)


@app.command()
def train(config: ConfigOption = "spam-1") -> None:
    """Train the shipped network on every text and keep its weights under build/."""
    settings = _hashed(config)
    _import_tensorflow()
    from training import shipping  # noqa: PLC0415

    with _progress() as progress:
        shipping.train(settings, _task(progress, f"{config}, every text"))


@app.command()
def export(config: ConfigOption = "spam-1") -> None:
    """Write the bundle of the network that `train` left, and check it as serving will."""
    settings = _hashed(config)
    _import_tensorflow()
    from training import shipping  # noqa: PLC0415

    directory = shipping.export(settings)
    size = sum(file.stat().st_size for file in directory.iterdir())
    console.print(f"models/{directory.parent.name}/{directory.name}: {size / 1e6:.2f} MB, verified")


@app.command()
def evaluate(
    config: Annotated[
        list[str] | None, typer.Option("--config", help="Again for more; all if not given.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Train this seed alone.")] = None,
    fold: Annotated[int | None, typer.Option(help="Train this fold alone, 0 to 4.")] = None,
) -> None:
    """Train on four folds, judge on the fifth, for every fold and seed; write the report.

    What has been trained before is not trained again: stop it and go on when you like.
    """
    from training import protocol  # noqa: PLC0415

    names = config or sorted(path.stem for path in configs.CONFIGS.glob("*.toml"))
    studies = [protocol.study(configs.load(name)) for name in names]
    _import_tensorflow()
    runs = [
        (study, part)
        for study, part in protocol.missing(studies)
        if seed in {None, part.seed} and fold in {None, part.fold}
    ]
    with _progress() as progress:
        advance = _task(progress, f"{len(runs)} runs")
        for done, (study, part) in enumerate(runs):
            label = f"{protocol.config_name(study.config)} seed {part.seed} fold {part.fold}"
            study.run(part, _of_many(advance, _task(progress, label), done, len(runs)))
    if left := len(list(protocol.missing(studies))):
        console.print(f"{left} runs left: `make evaluate` goes on with them and writes the report")
        return
    from training import report  # noqa: PLC0415

    report.write(studies)
    console.print("report: training/reports/README.md")


def _import_tensorflow() -> None:
    """Import it with stderr closed: it greets before it listens to any setting.

    Raises:
        TrainingError: It is not installed here.
    """
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  the system's own name
        os.dup2(nowhere.fileno(), 2)
        try:
            from keras import ops  # noqa: PLC0415

            import training.network  # noqa: F401, PLC0415  its settings come before the first use

            ops.zeros(1)
        except ImportError as error:
            raise TrainingError("no TensorFlow here: `make train` installs it") from error
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _hashed(name: str) -> configs.HashedConfig:
    config = configs.load(name)
    if not isinstance(config, configs.HashedConfig):
        raise TrainingError(
            f"{name} is a baseline to compare with; only hashed networks are shipped"
        )
    return config


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress


def _task(progress: Progress, description: str) -> Callable[[float], None]:
    task = progress.add_task(description, total=1.0)
    return lambda share: progress.update(task, completed=share)


def _of_many(
    whole: Callable[[float], None], part: Callable[[float], None], done: int, count: int
) -> Callable[[float], None]:
    """Move two bars: one run's, and that of all."""

    def advance(share: float) -> None:
        part(share)
        whole((done + share) / count)

    return advance


def main() -> None:
    """Run a command; what the user can mend is said in one line."""
    try:
        app()
    except TrainingError as error:
        Console(stderr=True).print(f"training: {error}", markup=False, highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
