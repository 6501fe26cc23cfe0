"""The JSON Schema of the YAML form, for editors: structure, keys and names; expressions are text to it.

`python -m archdsl.lang.schema_json --write` makes `grammars/arch.schema.json` anew, `--check` exits 1 where it is stale.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TypeAlias

from archdsl.resources import data_path

Schema: TypeAlias = dict[str, Any]

FILE = "arch.schema.json"

ARCH_ATTRIBUTES = {
    "input": "Channels, height and width of the image: `3x224x224`.",
    "classes": "How many classes the head tells apart.",
    "preprocess": "What images go through for the published weights: `normalize(crop_ratio = 0.9)`.",
    "init": 'How convolutions start: "uniform" (PyTorch\'s rule), "fan_out" or "normal".',
    "drop_path": "The drop rate of the residual lines: `ramp(0.1)`, or a number.",
    "join": "How a residual line joins its input: `add`, or `attnres(block = 4)`.",
    "stem": "From the image to the first stage.",
    "logits": "What evaluation returns, where there are several heads.",
}
POSITION_ATTRIBUTES = {
    "stride": "The stride of the block.",
    "token": "The token mixer of the block.",
    "channel": "The channel mixer of the block.",
}
STAGE_ATTRIBUTES = {
    "dim": "Channels of the stage.",
    "depth": "How many blocks.",
    **POSITION_ATTRIBUTES,
    "drop_path": "The drop rate of this stage; `none`: its blocks do not count.",
    "join": "How a residual line joins its input.",
    "from": "What the stage reads, if not the stage before.",
    "down": "Between the stage before and the first block; `none` where there is nothing.",
    "tail": "After the last block.",
}

_NAME = "[A-Za-z_][A-Za-z0-9_]*"


def schema() -> Schema:
    """The whole schema."""
    block = {"let": _ref("let"), "layout": _ref("layout")}
    stage = {**block, "first": _ref("position"), "last": _ref("position"), **_texts(STAGE_ATTRIBUTES)}
    model = {
        **block,
        **{word: _ref(word) for word in ("layouts", "default", "stages", "nodes", "heads")},
        "head": _described("From the last stage to the output.", _ref("expression")),
        **_texts(STAGE_ATTRIBUTES | ARCH_ATTRIBUTES),
    }
    arch = {**model, "expect": _ref("expect"), "items": _several(_ref("arch_items"))}
    space = {
        **model,
        "budget": _ref("budget"),
        "require": _described("Comparisons that hold for what is drawn.", _several(_ref("text"))),
        "maximize": _several(_ref("name")),
        "minimize": _several(_ref("name")),
        "items": _several(_ref("space_items")),
    }
    edition = {"description": "The edition of the language.", "type": ["integer", "string"]}
    around = {"edition": edition, "import": _ref("import")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The YAML form of an archdsl spec",
        "description": "Values are expressions of the language; `grammars/yaml.md` describes the form.",
        "anyOf": [_ref("part"), {"type": "array", "items": _ref("part")}],
        "$defs": {
            "part": _either(
                _model({"arch": _ref("name"), "extends": _ref("name"), **around, **arch}, ["arch"]),
                _model({"space": _ref("name"), "over": _ref("name"), **around, **space}, ["space", "over"]),
                _model({**around, "let": _ref("let"), "layouts": _ref("layouts")}, []),
            ),
            "arch_items": _model(arch, []),
            "space_items": _model(space, []),
            "name": {"type": "string", "pattern": f"^{_NAME}$"},
            "text": {"type": "string", "minLength": 1},
            # an editor resolves plain scalars: `64` is a number to it, `false` a boolean
            "expression": _described(
                "An expression, such as `routing(topk = 4)`, `width * 2` or `2 | 4`.",
                _either(_ref("text"), {"type": ["number", "boolean", "array"]}),
            ),
            "let": _described("Names for values; a key may have parameters: `widen(width)`.", _named(_ref("expression"))),
            "import": _described("Names from other files.", _several(_map(_several(_ref("name"))))),
            "layout": _described("The lines of a block, or the name of a layout.", _either(_ref("lines"), _ref("text"))),
            "layouts": _described("Layouts with names, for `layout: name`.", _named(_ref("lines"))),
            "lines": {"type": "array", "items": _ref("line")},
            "line": _either(
                _model({"residual": _ref("expression"), "skip": _ref("expression")}, ["residual"]),
                _model({"then": _ref("expression")}, ["then"]),
            ),
            "default": _described("What every stage has that does not say otherwise.", _several(_ref("stage"))),
            "stages": _described("The stages in their order.", _named(_several(_ref("stage")))),
            "stage": _model(stage, []),
            "position": _described(
                "Values of this block only.", _several(_model({**block, **_texts(POSITION_ATTRIBUTES)}, []))
            ),
            "nodes": _described("Values that other places read.", _named(_ref("expression"))),
            "heads": _described("Several heads; `logits` says what evaluation returns.", _named(_ref("expression"))),
            "expect": _described("What the spec counts to.", _named(_several(_ref("expectation")))),
            "expectation": _bound({"because": {"description": "Why no rule gives this number.", "type": "string"}}),
            "budget": _described("Bounds of what is drawn, such as `<= 14M`.", _named(_several(_ref("bound")))),
            "bound": _bound({}),
        },
    }


def text() -> str:
    """What the file should hold."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _described(description: str, inner: Schema) -> Schema:
    return {"description": description, **inner}


def _texts(attributes: dict[str, str]) -> Schema:
    return {name: _described(description, _ref("expression")) for name, description in attributes.items()}


def _either(*options: Schema) -> Schema:
    return {"anyOf": list(options)}


def _several(inner: Schema) -> Schema:
    """One, or a list; of maps a list is the same map in pieces."""
    return _either(inner, {"type": "array", "items": inner})


def _map(others: Schema) -> Schema:
    return {"type": "object", "additionalProperties": others}


def _named(inner: Schema) -> Schema:
    """A map from names, some with parameters, to things of one kind."""
    return _several({**_map(inner), "propertyNames": {"pattern": rf"^{_NAME}\s*(\(.*\))?$"}})


def _model(properties: Schema, required: list[str]) -> Schema:
    """A map with these keys and no other."""
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _bound(more: Schema) -> Schema:
    """A quantity alone, or with its size, its counting rule, and more."""
    parts = {"value": _ref("expression"), "at": _ref("expression"), "by": _ref("name"), **more}
    return _either(_ref("expression"), _model(parts, ["value"]))


def main(arguments: list[str]) -> int:
    """Write the schema, or check that it is what this module makes."""
    target = data_path("grammars") / FILE
    if arguments == ["--write"]:
        target.write_text(text(), encoding="utf-8")
        return 0
    if arguments == ["--check"]:
        if target.is_file() and target.read_text(encoding="utf-8") == text():
            return 0
        print(f"grammars/{FILE} is stale: run `python -m archdsl.lang.schema_json --write`", file=sys.stderr)  # noqa: T201
        return 1
    print("usage: python -m archdsl.lang.schema_json --write | --check", file=sys.stderr)  # noqa: T201
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
