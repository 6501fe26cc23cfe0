"""Choices that cannot be built are warned of, with everything else at the base."""

from __future__ import annotations

import pytest

from tests.ir.support import TINY, diagnostics, told


def warned(*lines: str) -> list[tuple[str, str]]:
    """The decisions warned of, and which of their values."""
    text = TINY + "space s over tiny {\n" + "\n".join(lines) + "\n}\n"
    assert told(text) == []
    return [(d.message, d.label) for d in diagnostics(text) if d.slug == "infeasible-choices"]


def test_values_that_do_not_divide() -> None:
    # four heads in the first stage
    assert warned("let width = 8..40 step 4") == []
    assert warned("let width = 30..36") == [
        ("5 of 7 values of `width` cannot be built with everything else at the base", "30, 31, 33, 34, 35")
    ]


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("stage s2 { token = mixer(heads = 8) | mixer(heads = 3 | 5) }", "mixer(heads = 3 | 5)"),
        (
            "stage s1 { token = mixer | routing(topk = 4, regions = 3x3) }",
            "routing(topk = 4, regions = 3x3)",
        ),
        ("stage s1 { token = mixer | nothing_like_it }", "nothing_like_it"),
    ],
)
def test_alternatives(line: str, label: str) -> None:
    assert label in [found for _, found in warned(line)]


def test_an_alternative_that_works_with_some_inner_value() -> None:
    found = warned("stage s2 { token = mixer(heads = 8) | attention(heads = 3 | 4) }")
    assert [label for _, label in found] == ["3"]
    assert "`s2.token.attention.heads`" in found[0][0]


def test_what_can_be_built_is_silent() -> None:
    assert warned("stage s1 { depth = 1..3 }", "default { channel = mlp(ratio = 2 | 4) }") == []


def test_large_domains_are_not_tried() -> None:
    assert warned("let width = 32..64") == []


def test_the_reason_is_told_where_it_is() -> None:
    text = TINY + "space s over tiny { stage s2 { token = mixer(heads = 8 | 3) } }"
    found = [d for d in diagnostics(text) if d.slug == "infeasible-choices"]
    assert len(found) == 1 and found[0].span is not None and found[0].span.text == "8 | 3"
    note = found[0].notes[0]
    assert note.span is not None and note.message.startswith("3: `heads` of `attention` must divide the channels")


def test_a_require_is_no_reason() -> None:
    assert warned("stage s1 { depth = 1..3 }", "require s1.depth <= 2") == []


def test_many_decisions_are_tried_in_part() -> None:
    items = "depth = 1..9, channel = mlp(ratio = 1 | 2 | 3 | 4), drop_path = ramp(0.1) | none"
    lines = [f"stage s{i} {{ {items} }}" for i in (1, 2)]
    assert warned(*lines, "let mixer = attention(heads = 1 | 2 | 4)") == []
