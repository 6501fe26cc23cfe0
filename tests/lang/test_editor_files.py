"""What editors get: the JSON schema of the YAML form, and the TextMate grammar."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from archdsl.ir import model
from archdsl.lang import ast, schema_json
from archdsl.lang.grammar import tables
from archdsl.lang.yaml_write import write_yaml
from archdsl.resources import data_path
from tests.lang.strategies import files
from tests.lang.yaml_helpers import SAMPLES, from_text

SCHEMA = json.loads((data_path("grammars") / "arch.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DOCUMENT = (data_path("grammars") / "yaml.md").read_text()


def test_schema_is_what_the_code_makes() -> None:
    assert schema_json.main(["--check"]) == 0
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_attributes_are_those_of_the_language() -> None:
    assert {*schema_json.ARCH_ATTRIBUTES, "layout"} == set(model.ARCH_ATTRIBUTES)
    assert {*schema_json.POSITION_ATTRIBUTES, "layout"} == set(model.POSITION_ATTRIBUTES)
    assert {*schema_json.STAGE_ATTRIBUTES, "layout"} == set(model.STAGE_ATTRIBUTES)


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader])
@pytest.mark.parametrize("text", [*(p.read_text() for p in sorted(SAMPLES.glob("*.yaml"))), *DOCUMENT.split("```yaml\n")[1:]])
def test_samples_follow_the_schema(text: str, loader: type[yaml.SafeLoader]) -> None:
    VALIDATOR.validate(yaml.load(text.split("```")[0], loader))


@pytest.mark.parametrize("path", sorted([*data_path("specs").glob("*.arch"), *data_path("search").glob("*/*.arch")]), ids=str)
def test_specs_follow_the_schema(path: Any) -> None:
    VALIDATOR.validate(yaml.safe_load(write_yaml(from_text(path.read_text()))))


@pytest.mark.parametrize(
    "text",
    [
        "arch: a\nstage: {}",
        "arch: a\nlayout: [{then: b, skip: c}]",
        "arch: a\nlayout: [{residul: b}]",
        "arch: a\nbudget: {p: <= 3}",
        "space: a",
        "arch: a\nx: 1",
        "arch: 3x",
        "arch: a\nstages: {s: {frist: {x: 1}}}",
        "arch: a\nexpect: {p: {vlaue: 1}}",
        "arch: a\nlet: {3x: 1}",
        "just text",
    ],
)
def test_schema_refuses(text: str) -> None:
    assert not VALIDATOR.is_valid(yaml.safe_load(text))


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


@given(files())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_structure_of_what_is_written_follows_the_schema(file: ast.File) -> None:
    document = yaml.load(write_yaml(file), yaml.BaseLoader)
    for error in VALIDATOR.iter_errors(document or []):
        # attributes that no model has are the resolver's to refuse
        assert error.validator == "anyOf"


# --- TextMate ---

GRAMMAR = json.loads((data_path("grammars") / "arch.tmLanguage.json").read_text())


def _rules(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "match" in value:
            yield value
        for inner in value.values():
            yield from _rules(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _rules(inner)


def test_keywords_are_the_reserved_words() -> None:
    (words,) = re.findall(r"\(\?:([a-z|]+)\)", GRAMMAR["repository"]["keyword"]["match"])
    assert words.split("|") == sorted(tables().words)


def test_patterns_compile_and_includes_exist() -> None:
    for rule in _rules(GRAMMAR):
        groups = re.compile(rule["match"]).groups
        assert {int(group) for group in rule.get("captures", {})} <= set(range(groups + 1))
    assert {f"#{name}" for name in GRAMMAR["repository"]} == {pattern["include"] for pattern in GRAMMAR["patterns"]}


def _scopes(line: str) -> list[tuple[str, str]]:
    """The words of a line with their scopes, found as an editor finds them: the first rule that matches earliest wins."""
    rules = [rule for pattern in GRAMMAR["patterns"] for rule in _rules(GRAMMAR["repository"][pattern["include"][1:]])]
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(line):
        hits = [
            (hit.start(), index, hit) for index, rule in enumerate(rules) if (hit := re.compile(rule["match"]).search(line, at))
        ]
        if not hits:
            break
        _, index, hit = min(hits, key=lambda entry: entry[:2])
        if "name" in rules[index]:
            found.append((hit[0], rules[index]["name"]))
        found += [(hit[int(group)], part["name"]) for group, part in rules[index].get("captures", {}).items()]
        at = hit.end()
    return found


@pytest.mark.parametrize(
    ("line", "word", "scope"),
    [
        ("arch a extends b { # c", "a", "entity.name.type.arch"),
        ("arch a extends b { # c", "b", "entity.other.inherited-class.arch"),
        ("arch a extends b { # c", "# c", "comment.line.number-sign.arch"),
        ("  let f(x) = 1", "f", "entity.name.function.arch"),
        ("  input = 3x224x224", "3x224x224", "constant.numeric.size.arch"),
        ("  input = 3x224x224", "input", "variable.other.property.arch"),
        ("expect flops = 2.2G at 224x224", "G", "keyword.other.unit.arch"),
        ("expect flops = 2.2G at 224x224", "at", "keyword.control.arch"),
        ("x = conv(3x3) -> gelu", "conv", "support.function.arch"),
        ("x = conv(3x3) -> gelu", "->", "keyword.operator.arrow.arch"),
        ('import "@b" (c)', '"@b"', "string.quoted.double.arch"),
        ("eps = 1e-6", "1e-6", "constant.numeric.float.arch"),
        ("depth = 4..12 step 2", "..", "keyword.operator.range.arch"),
        ("params = 13_142_760", "13_142_760", "constant.numeric.integer.arch"),
        ("down = none", "none", "constant.language.arch"),
        ("head = mean", "head", "keyword.control.arch"),
        ("first { stride = 2 }", "first", "keyword.control.arch"),
        ("first_one = 2", "first_one", "variable.other.property.arch"),
    ],
)
def test_words_are_told_apart(line: str, word: str, scope: str) -> None:
    assert (word, scope) in _scopes(line)


def test_sample_is_covered_word_by_word() -> None:
    for line in (SAMPLES / "everything.arch").read_text().splitlines():
        assert sum(len(text) for text, _ in _scopes(line)) >= len(line.replace(" ", "")) - line.count(" ")
