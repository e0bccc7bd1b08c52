"""Write the settings into README.md and .env.example, as ``bridge/settings.py`` has them.

    .venv/bin/python scripts/document_settings.py

``tests/unit/test_readme.py`` fails where either is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from bridge.settings import Settings
from bridge.variables import FILE, Variable, variables

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
EXAMPLE = ROOT / ".env.example"

BEGIN = "<!-- settings: written by scripts/document_settings.py -->\n"
END = "<!-- end of settings -->\n"

EXAMPLE_HEAD = f"""\
# The settings of `bridge` and what holds where they are not set. Copy this file to .env and take
# the # away from what you change; the environment wins over .env. Every password and key is also
# read from the file that a variable of the same name with {FILE} at its end names.
"""


def table() -> str:
    """Return the settings as a Markdown table."""
    rows = [
        f"| `{variable.name}` | {_default(variable, '`{}`')} | {_purpose(variable)} |"
        for variable in variables(Settings)
    ]
    return "\n".join(["| Variable | Default | What it is for |", "|---|---|---|", *rows]) + "\n"


def example() -> str:
    """Return the settings as a commented ``.env`` file."""
    groups = groupby(variables(Settings), key=lambda variable: variable.path[:-1])
    return EXAMPLE_HEAD + "".join("\n" + "".join(map(_line, group)) for _, group in groups)


def with_table(readme: str) -> str:
    """Return ``readme`` with the settings table between its two marks.

    Raises:
        ValueError: A mark is missing.
    """
    head, old = readme.split(BEGIN)
    _, tail = old.split(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> None:
    """Write both files."""
    for file, text in _documents():
        file.write_text(text, encoding="utf-8")


def _documents() -> Iterator[tuple[Path, str]]:
    yield README, with_table(README.read_text(encoding="utf-8"))
    yield EXAMPLE, example()


def _purpose(variable: Variable) -> str:
    """Say what it is for, and name the values where there are only a few."""
    choices = f" ({variable.right})" if variable.right.startswith("one of") else ""
    return variable.purpose.removesuffix(".") + choices + "."


def _line(variable: Variable) -> str:
    return f"# {_purpose(variable)}\n#{variable.name}={_default(variable, '{}')}\n"


def _default(variable: Variable, form: str) -> str:
    if variable.default in (None, ""):
        return ""
    if isinstance(variable.default, bool):
        return form.format(str(variable.default).lower())
    return form.format(variable.default)


if __name__ == "__main__":
    main()
