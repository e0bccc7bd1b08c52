"""README.md and .env.example say what the code says."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from bridge.requests import Rejection, Request, Verdict
from bridge.settings import Settings
from bridge.topics import Topics
from bridge.variables import variables

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document_settings() -> ModuleType:
    """The script that writes the settings into the documents."""
    path = ROOT / "scripts" / "document_settings.py"
    spec = importlib.util.spec_from_file_location("document_settings", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings_table_is_that_of_the_code(document_settings: ModuleType):
    """README's table has every setting with its default; `make settings` writes it."""
    assert document_settings.with_table(README) == README


def test_example_environment_is_that_of_the_code(document_settings: ModuleType):
    """.env.example has every setting with its default; `make settings` writes it."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert document_settings.example() == example


def test_example_environment_sets_nothing():
    """Copied as it is, .env.example changes no default."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_every_variable_that_is_named_exists():
    """README names no setting that the bridge would refuse."""
    known = {variable.name for variable in variables(Settings)}
    assert set(re.findall(r"\bBRIDGE_[A-Z_]*[A-Z]\b", README)) <= known


def test_every_make_target_that_is_named_exists():
    """Each `make TARGET` of the README is in the Makefile."""
    assert _targets_named() <= _targets_of_the_makefile()


def test_every_make_target_is_named():
    """The README tells of all targets, `help` among them."""
    assert _targets_of_the_makefile() <= _targets_named()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_into_the_repository_leads_somewhere(link: str):
    """A file or folder that the README links to is there."""
    assert (ROOT / link).exists()


def test_request_fields_are_those_of_the_code():
    """The table of a request's fields is complete."""
    section = README.split("**Request.**")[1].split("**Verdict.**")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(Request.model_fields)


@pytest.mark.parametrize(("name", "model"), [("Verdict", Verdict), ("Rejection", Rejection)])
def test_example_answers_are_valid(name: str, model: type[Verdict | Rejection]):
    """The README's example of an answer has the fields that the bridge sends."""
    example = _first_json_after(f"**{name}.**")
    assert set(json.loads(example)) <= set(model.model_fields)
    model.model_validate_json(example)


def test_topics_are_those_of_the_code():
    """Each topic of the README's table is one that the bridge can build."""
    named = set(re.findall(r"^\| `((?:devices|bridge)/[^`]+)` \|", README, re.MULTILINE))
    topics = Topics("root")
    device = (topics.input, topics.output, topics.rejections, topics.presence, topics.quota)
    built = {build("{id}") for build in device}
    built |= {topics.instance("{instance}", leaf) for leaf in ("state", "health", "info")}
    built |= {topics.request("{verb}"), topics.response("{verb}"), topics.corrected}
    assert {f"root/{topic}" for topic in named} == built


def _targets_of_the_makefile() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def _targets_named() -> set[str]:
    return set(re.findall(r"\bmake ([a-z-]+)(?=[` ]|$)", _code(README), re.MULTILINE))


def _code(markdown: str) -> str:
    """Return what stands as code: in backticks, indented, or between fences."""
    return "\n".join(re.findall(r"`[^`\n]+`|^ {4}.+$|^\$ .+$", markdown, re.MULTILINE))


def _first_json_after(mark: str) -> str:
    return README.split(mark)[1].split("```json\n")[1].split("```")[0]
