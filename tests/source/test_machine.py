"""The JSON form of diagnostics keeps to the schema that is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from archdsl.source.diagnostic import Diagnostic, Fix, Note
from archdsl.source.render import render
from archdsl.source.text import Source, Span

SCHEMA = json.loads((Path(__file__).parents[2] / "grammars/diagnostics.schema.json").read_text())
SOURCE = Source("a.arch", "let a = 1\nlet b = é\udc80\n")


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "found",
    [
        [],
        [Diagnostic("no-place", "m", severity="warning")],
        [
            Diagnostic(
                "unknown-name",
                "no `é`",
                Span(SOURCE, 18, 20),
                "label",
                (Note("a note", Span(SOURCE, 4, 5), "said"), Note("no place")),
                "help",
                Fix(Span(SOURCE, 18, 20), "a", safe=True),
            )
        ],
    ],
)
def test_documents_keep_to_the_schema(found: list[Diagnostic]) -> None:
    jsonschema.validate(json.loads(render(found, format="json")), SCHEMA)


def test_places_are_counted_in_characters() -> None:
    found = json.loads(render([Diagnostic("s-s", "m", Span(SOURCE, 18, 20))], format="json"))["diagnostics"][0]
    assert found["file"] == "a.arch"
    assert found["span"] == {
        "start": {"line": 2, "column": 9, "offset": 18},
        "end": {"line": 2, "column": 11, "offset": 20},
    }
