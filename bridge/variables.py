"""From environment variables to a tree of settings, and what is said of wrong ones.

``BRIDGE_MQTT__HOST`` is ``settings.mqtt.host``. Sources are asked in order, the first that has a
variable wins; an empty variable is an unset one (compose files write them so). Every wrong
variable gets one line, all at once: nobody mends a configuration in five attempts.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import ConfigurationError

PREFIX = "BRIDGE_"
FILE = "_FILE"
"""What a secret's variable ends in when it names a file that holds the secret."""

_LONGEST_SHOWN = 60

Tree = TypeVar("Tree", bound=BaseModel)


class Source(NamedTuple):
    """A place where variables are set, and what it is called."""

    name: str
    values: Mapping[str, str]


class Found(NamedTuple):
    """What a variable was set to, and where."""

    origin: str
    text: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting, as its environment variable.

    Args:
        path: Where it stands in the tree, such as ``("mqtt", "host")``.
        owner: The group that it belongs to.
    """

    path: tuple[str, ...]
    owner: type[BaseModel]

    @property
    def name(self) -> str:
        """The variable's name."""
        return PREFIX + "__".join(self.path).upper()

    @property
    def secret(self) -> bool:
        """Whether its value is never shown."""
        return any(kind.get("format") == "password" for kind in self._kinds())

    @property
    def purpose(self) -> str:
        """What it is for."""
        return str(self._schema().get("description", ""))

    @property
    def default(self) -> object:
        """What holds where nothing is set."""
        return self.owner.model_fields[self.path[-1]].default

    @property
    def right(self) -> str:
        """What would be a right value, in words."""
        return next(_in_words(kind) for kind in self._kinds() if kind.get("type") != "null")

    def _schema(self) -> dict[str, object]:
        return cast(
            "dict[str, object]", self.owner.model_json_schema()["properties"][self.path[-1]]
        )

    def _kinds(self) -> list[dict[str, object]]:
        schema = self._schema()
        return cast("list[dict[str, object]]", schema.get("anyOf", [schema]))


def sources() -> list[Source]:
    """Return where settings come from: the process's environment, then ``.env``."""
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return [Source("environment", os.environ), Source(".env", dotenv)]


def variables(tree: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Variable]:
    """Walk ``tree`` and yield its variables, in order."""
    for name, field in tree.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from variables(kind, (*path, name))
        else:
            yield Variable((*path, name), tree)


def find(variable: Variable, sources: Sequence[Source]) -> Found | None:
    """Return what ``variable`` is set to, or nothing.

    Raises:
        ConfigurationError: The variable is set twice, or its file cannot be read.
    """
    for source in sources:
        plain = source.values.get(variable.name, "")
        file = source.values.get(variable.name + FILE, "")
        if file and variable.secret:
            if plain:
                raise ConfigurationError(
                    f"{variable.name} and {variable.name}{FILE} are both set: keep one"
                )
            return Found("file", _secret(variable, Path(file)))
        if plain:
            return Found(source.name, plain)
    return None


def read(tree: type[Tree], sources: Sequence[Source]) -> Tree:
    """Build ``tree`` from what ``sources`` set.

    Raises:
        ConfigurationError: Variables are unknown or wrong; one line for each.
    """
    known = {variable.name: variable for variable in variables(tree)}
    problems = list(_strangers(known, sources))
    found = {}
    for variable in known.values():
        try:
            found[variable] = find(variable, sources)
        except ConfigurationError as error:
            problems.append(str(error))
    try:
        settings = tree.model_validate(_grown(found))
    except ValidationError as error:
        problems += [_mend(detail, known) for detail in error.errors(include_url=False)]
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    return settings


def _secret(variable: Variable, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{variable.name}{FILE} must name a readable text file ({type(error).__name__}): {file}"
        ) from None


def _strangers(known: Mapping[str, Variable], sources: Sequence[Source]) -> Iterator[str]:
    """Yield a line for each variable that looks like a setting and is none."""
    names = {*known, *(name + FILE for name, variable in known.items() if variable.secret)}
    for name in dict.fromkeys(name for source in sources for name in source.values):
        if name in names:
            continue
        if name.upper() in names:
            yield f"{name} must be written in capitals: {name.upper()}"
        elif name.startswith(PREFIX):
            near = get_close_matches(name.upper(), names, n=1)
            hint = f"did you mean {near[0]}?" if near else "`bridge config` lists them all"
            yield f"{name} is no setting; {hint}"


def _grown(found: Mapping[Variable, Found | None]) -> dict[str, object]:
    tree: dict[str, object] = {}
    for variable, value in found.items():
        branch = tree
        for name in variable.path[:-1]:
            branch = cast("dict[str, object]", branch.setdefault(name, {}))
        if value is not None:
            branch[variable.path[-1]] = value.text
    return tree


def _mend(detail: ErrorDetails, known: Mapping[str, Variable]) -> str:
    variable = known.get(PREFIX + "__".join(str(part) for part in detail["loc"]).upper())
    if variable is None:  # a rule about several variables, which names them itself
        return detail["msg"]
    if detail["type"] == "no_file":
        return f"{variable.name} {detail['msg']}"
    given = "" if variable.secret else f", not {str(detail['input'])[:_LONGEST_SHOWN]!a}"
    return f"{variable.name} must be {variable.right}{given}"


def _in_words(kind: Mapping[str, object]) -> str:
    if "enum" in kind:
        return "one of " + ", ".join(cast("list[str]", kind["enum"]))
    if kind.get("type") == "boolean":
        return "true or false"
    if kind.get("type") in ("integer", "number"):
        noun = "a whole number" if kind["type"] == "integer" else "a number"
        if "exclusiveMinimum" in kind:
            return f"{noun} above {kind['exclusiveMinimum']}"
        return f"{noun} from {kind['minimum']} to {kind['maximum']}"
    if kind.get("format") == "path":
        return "a path"
    return str(kind.get("right", "text"))
