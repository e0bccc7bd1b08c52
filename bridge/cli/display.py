"""How things look on a terminal, and the one way in which a device's text may reach it."""

import json
import sys
import unicodedata
from collections.abc import Mapping

from rich.console import Console
from rich.status import Status
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_NEVER_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_LABEL_STYLES = {"spam": "bold red", "ham": "bold green"}
_STATE_STYLES = {"online": "green", "degraded": "yellow", "offline": "red", "stopped": "red"}


def escape(text: str) -> str:
    r"""Show what would command the terminal, or turn the reading direction, as an escape.

    Control, format (bidirectional and zero-width too), unassigned and private characters become
    ``\n``, ``\x1b``, ``\u202e``, ``\U000e0001``; everything else stays, in any script.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _NEVER_SHOWN:
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - the three widths of Python's own escapes
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def field(record: Mapping[str, object], name: str) -> str:
    """Return a field of what came over MQTT, fit to be shown; nothing where it is missing."""
    value = record.get(name)
    return "" if value is None else escape(str(value))


def label(record: Mapping[str, object]) -> Text:
    """Return a verdict's label in its colour."""
    name = field(record, "label")
    return Text(f"{name:<4}", style=_LABEL_STYLES.get(name, "bold"))


def percentage(score: object) -> str:
    """Write a score as a percentage: ``98.3%``."""
    return f"{score:6.1%}" if isinstance(score, int | float) else "     -"


def cached(record: Mapping[str, object]) -> str:
    """Say which cache knew a verdict; ``new`` where none did."""
    level = field(record, "cached")
    return {"no": "new", "": "-"}.get(level, level)


def milliseconds(record: Mapping[str, object]) -> str:
    """Write how long the bridge took: ``12.0 ms``."""
    taken = record.get("ms")
    total = taken.get("total") if isinstance(taken, Mapping) else None
    return f"{total:.1f} ms" if isinstance(total, int | float) else ""


def rejection(record: Mapping[str, object]) -> Text:
    """Return a rejection in one line: status, title, each error, hint."""
    line = Text.assemble(
        (f"{field(record, 'status')} {field(record, 'type')}", "bold yellow"),
        f"  {field(record, 'title')}",
    )
    errors = record.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, Mapping) and error.get("msg") != record.get("title"):
            line.append(f"; {_place(error)}{field(error, 'msg')}")
    if record.get("hint"):
        line.append(f"  {field(record, 'hint')}", style="dim")
    return line


def _place(error: Mapping[str, object]) -> str:
    loc = error.get("loc")
    return escape(".".join(map(str, loc))) + ": " if isinstance(loc, list) and loc else ""


def state(name: str, record: Mapping[str, object]) -> Text:
    """Return what a bridge says of itself in one line."""
    word = field(record, "state") or "unknown"
    line = Text.assemble(f"{escape(name)}: ", (word, _STATE_STYLES.get(word, "bold")))
    if record.get("since"):
        line.append(f" since {field(record, 'since')}", style="dim")
    why = record.get("why")
    if isinstance(why, list) and why:
        line.append(" (" + "; ".join(escape(str(reason)) for reason in why) + ")")
    return line


def waiting(what: str, console: Console = err) -> Status:
    """Show that something is being waited for, while the context lasts; nothing in a pipe."""
    return console.status(f"[dim]{what} …[/]", spinner="dots")


def print_json(record: object) -> None:
    """Print one JSON document on a line; in ASCII, so that no text commands the terminal."""
    sys.stdout.write(json.dumps(record, separators=(",", ":")) + "\n")
    sys.stdout.flush()
