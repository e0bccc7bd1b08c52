"""``python -m training``: prepare, train, evaluate, export."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from training import config as configs
from training.errors import TrainingError

if TYPE_CHECKING:
    from training import data

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

VersionOption = Annotated[
    int | None, typer.Option(min=1, help="Of the bundle, if not the configuration's.")
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
def train(
    config: ConfigOption = "spam-2",
    own: Annotated[
        Path | None, typer.Option("--data", help="A CSV file of label,text: learnt as well.")
    ] = None,
    version: VersionOption = None,
) -> None:
    """Train the shipped model on every text and keep its bundle under build/."""
    settings = _ours(config, version)
    texts = _with_own(own)
    _import_tensorflow()
    from training import shipping  # noqa: PLC0415

    with _progress() as progress:
        shipping.train(settings, _task(progress, f"{config}, every text"), texts)


@app.command()
def export(config: ConfigOption = "spam-2", version: VersionOption = None) -> None:
    """Put the bundle that `train` left where serving looks, with the figures of `evaluate`."""
    from training import shipping  # noqa: PLC0415

    settings = _ours(config, version)
    _import_tensorflow()
    directory = shipping.ship(settings)
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
        run
        for run in protocol.runs(studies)
        if seed in {None, run.seed} and fold in {None, run.fold}
    ]
    with _progress() as progress:
        advance = _task(progress, f"{len(runs)} runs")
        for done, run in enumerate(runs):
            run.start(_of_many(advance, _task(progress, run.label), done, len(runs)))
    if left := len(protocol.runs(studies)):
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


def _ours(name: str, version: int | None = None) -> configs.ModelConfig:
    config = configs.load(name)
    if not isinstance(config, configs.ModelConfig):
        raise TrainingError(f"{name} is a baseline to compare with; it is not shipped")
    return config if version is None else config.model_copy(update={"version": version})


def _with_own(path: Path | None) -> "data.Texts | None":
    """Put one's own messages beside the workshop's; the workshop's alone if there are none."""
    if path is None:
        return None
    from training import data, own  # noqa: PLC0415

    mine = own.read(path)
    console.print(f"{path.name}: {len(mine)} texts, {mine.labels.sum()} of them spam")
    return data.workshop().and_also(mine.in_groups_from(data.OWN_GROUPS))


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
