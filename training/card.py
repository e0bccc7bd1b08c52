"""The model card that goes into the bundle."""

from training.config import ModelConfig

_CARD = """# {name}@{version}

A bidirectional LSTM that tells spam from ham in short English messages (SMS, comments). It reads
hashed words, pairs of words and parts of words, so no token is out of its vocabulary.

## Data
{data}

## Figures
Grouped 5-fold protocol, near-duplicates never split, pooled out of fold over 6,810 texts, mean of
{seeds} seeds. Made by `make evaluate`, which writes the full report to `training/reports/`.

{figures}

The score is the calibrated probability of spam (Platt, fitted on groups that the network had not
seen). A text is called spam when its score reaches the threshold in `bundle.json`.

## Where it fails
- Languages other than English: the training set has next to none.
- Comments under videos that it has not seen, and one-time codes of unusual form.
- Deliberate misspelling with asterisks (`fr*e`) and typing errors. Look-alike letters, entities,
  zero-width characters, spaced words and common leet are undone before the network reads them.
- Of a text of more than 96 words and signs it reads the first 64 and the last 32.

It must not decide alone about people, accounts or access, and its labels hold errors: about half of
a good model's confident mistakes on this set are mistakes of the labels.

## To train it again
`make train` (TensorFlow, on one core a few minutes); `make evaluate` judges it.
"""

_DATA = (
    "The UCI SMS Spam Collection and the YouTube Spam Collection (both CC BY 4.0), as merged by\n"
    'the "AI as an API" workshop (Apache-2.0): 6,810 distinct texts'
)
_SYNTHETIC = (
    "; and 900 transactional messages\nwritten for this project, so that codes and receipts do not"
    " count as spam"
)


def write(config: ModelConfig, metrics: dict[str, float]) -> str:
    """Write the card.

    Args:
        config: What was trained.
        metrics: Figures of the evaluation, by name; none if it has not been evaluated.
    """
    lines = [f"- {name}: {value:.4f}" for name, value in sorted(metrics.items())]
    return _CARD.format(
        name=config.name,
        version=config.version,
        data=_DATA + (_SYNTHETIC if config.synthetic else "") + ".",
        seeds=len(config.seeds),
        figures="\n".join(lines) or "Not evaluated yet.",
    )
