"""``bridge calls --corrections``: what people have corrected, to look at and to train on."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.text import Text

from bridge.cli import display
from bridge.cli.questions import Questions, Record
from bridge.errors import ConfigurationError, Unavailable

_PAGE = 1000
COLUMNS = ("at", "label", "by", "text_key", "text")
_HEADING = ("label", "text", "source")
"""What ``python -m training train --data`` reads."""


def read(questions: Questions) -> list[Record]:
    """Return the corrections of all bridges on the root, newest first, each text once.

    Raises:
        Unavailable: A bridge cannot tell its own.
    """
    responses = questions.ask("corrections", {"limit": _PAGE})
    told = [
        correction
        for response in responses
        for correction in _rest(questions, response.instance, response.data)
    ]
    return distinct(told)


def distinct(told: Iterable[Record]) -> list[Record]:
    """Return the newest correction of each text, newest first, with the text if any bridge has it.

    Bridges of one installation tell the same under the same key. Where each has a key of its own,
    the text itself says that two are one.
    """
    by_key: dict[object, Record] = {}
    for one in sorted(told, key=_at):
        known = by_key.get(one.get("text_key"), {})
        text = known.get("text") if one.get("text") is None else one["text"]
        by_key[one.get("text_key")] = {**one, "text": text}
    by_text = {
        one["text_key"] if one["text"] is None else ("text", one["text"]): one
        for one in sorted(by_key.values(), key=_at)
    }
    return sorted(by_text.values(), key=_at, reverse=True)


def _rest(questions: Questions, instance: str, data: Record) -> Iterator[Record]:
    yield from _corrections(data)
    while cursor := data.get("next"):
        question = {"limit": _PAGE, "cursor": cursor, "instance": instance}
        data = questions.ask_one(instance, "corrections", question).data
        yield from _corrections(data)


def _corrections(data: Record) -> list[Record]:
    told = data.get("corrections")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _at(correction: Record) -> str:
    return str(correction.get("at"))


def export(corrections: Sequence[Record], path: Path) -> str:
    """Write a training file, and say what is in it.

    Texts stand there as they were sent, for a program to read: a spreadsheet may take one for a
    formula.

    Raises:
        Unavailable: There is nothing to export.
        ConfigurationError: The file cannot be written.
    """
    kept = [one for one in reversed(corrections) if str(one.get("text") or "").strip()]
    if not kept:
        raise Unavailable(f"there is nothing to export: {_why_nothing(corrections)}")
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_HEADING)
            writer.writerows((one["label"], one["text"], "correction") for one in kept)
    except OSError as error:
        raise ConfigurationError(f"--export {path} cannot be written: {error.strerror}") from None
    left = len(corrections) - len(kept)
    without = f"; left out, as the log has no text of them (BRIDGE_LOG__TEXT): {left}"
    return f"Corrected texts written to {path}: {len(kept)}{without if left else ''}."


def _why_nothing(corrections: Sequence[Record]) -> str:
    kept = "the log keeps no texts (BRIDGE_LOG__TEXT)"
    return kept if corrections else "nothing was corrected yet"


def line(correction: Record) -> Text:
    """Return a correction in one line; what varies in length stands last."""
    at = display.field(correction, "at").replace("T", " ").removesuffix("Z")
    shown = Text.assemble((f"{at}  ", "dim"), display.label(correction))
    text = correction.get("text")
    named = f"text {display.field(correction, 'text_key')}"
    shown.append(f"  {named}" if text is None else f"  {display.field(correction, 'text')}")
    return shown.append(f"  {display.field(correction, 'by')}", style="dim cyan")
