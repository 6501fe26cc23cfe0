"""Expectations: the counts that a written number stands for."""

from __future__ import annotations

import pytest

import archdsl
from archdsl.components.map.dilated_reparam.spec import DilatedReparam
from archdsl.ir.expect import bound
from archdsl.lang.parse import parse_expression
from archdsl.schema.defaults import with_defaults
from archdsl.source.diagnostic import Report, SpecError
from archdsl.source.text import Source
from tests.ir.support import changed, diagnostics, only, told
from tests.ir.test_fuse import BRANCHED

COUNTED = archdsl.loads(changed())


def expecting(*lines: str) -> str:
    return changed("  let width", "".join(f"  expect {line}\n" for line in lines) + "  let width")


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("13_142_760", 13_142_760, 13_142_760),
        ("13.1M", 13_050_000, 13_199_999),  # rounded from 13.05, cut off up to 13.2
        ("2.2G", 2_150_000_000, 2_299_999_999),
        ("6M", 5_500_000, 6_999_999),
        ("0.5K", 450, 599),
        ("1T", 500_000_000_000, 1_999_999_999_999),
        ("1_000.25M", 1_000_245_000, 1_000_259_999),
        ("0.0001K", 1, 0),  # no whole number prints as this, but for the bounds
    ],
)
def test_bounds(written: str, low: int, high: int) -> None:
    source = Source("x", written)
    found = bound(parse_expression(source, 0, len(written), Report()), Report(), quantity="params")
    assert (found.low, found.high) == (low, high)
    assert (low in found and high in found) or high < low
    assert low - 1 not in found and high + 1 not in found


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([f"params = {COUNTED.params}"], "holds"),
        ([f"params = {COUNTED.params + 1}"], "fails"),
        ([f"params = {COUNTED.params / 1e6:.2f}M"], "holds"),
        ([f"flops = {COUNTED.flops} at 64x64"], "holds"),
        ([f"flops = {COUNTED.flops} by fvcore"], "holds"),
        (["params = 7"], "fails"),
        (['params = 7 because "the paper counts something else"'], "recorded"),
    ],
)
def test_status(lines: list[str], status: str) -> None:
    text = expecting(*lines)
    if status == "fails":
        found = only(text, "expectation-failed")
        assert "largest shares" in found.notes[0].message and f"{COUNTED.params:_}" in found.label
    else:
        assert [e.status for e in archdsl.loads(text).expectations] == [status]


def test_other_sizes_are_counted_there() -> None:
    larger = archdsl.loads(changed(), at=(96, 128)).flops
    assert larger > 2 * COUNTED.flops
    spec = archdsl.loads(expecting(f"flops = {larger} at 96x128", f"flops = {COUNTED.flops} at 64x64"))
    assert [e.status for e in spec.expectations] == ["holds", "holds"]


def test_a_size_that_does_not_fit() -> None:
    text = changed("token = mixer(heads = 8)", "token = routing(regions = 4x4, topk = 1)")
    text = changed("  let width", "  expect flops = 1M at 72x72\n  expect params = 1M at 72x72\n  let width", text=text)
    found = only(text, "expectation-failed")
    assert found.span is not None and found.span.text == "72x72"
    assert found.message == "the spec cannot be built at 72x72" and "9x9" in found.notes[0].message


def test_a_deploy_form_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "  expect params = 1M by fused\n  expect flops = 1M by deploy\n  stage s1"
    text = BRANCHED.replace("  stage s1", lines, 1)
    assert {found.slug for found in diagnostics(text)} == {"expectation-failed"}
    monkeypatch.setattr(DilatedReparam, "fused", lambda self: with_defaults("conv", {"kernel": 1, "out": 3}))
    (found,) = diagnostics(text)
    assert (found.slug, found.span and found.span.text) == ("expectation-failed", "expect params = 1M by fused")
    assert found.message == "the deploy form of the spec cannot be made"
    assert found.notes[0].message.startswith("fused: ")
    with pytest.raises(SpecError) as caught:
        archdsl.loads(BRANCHED, fuse=True)
    assert caught.value.diagnostics


def test_many_sizes_are_refused() -> None:
    lines = [f'flops = 1 at {64 + 4 * i}x64 because "no"' for i in range(1, 40)]
    assert [d.slug for d in diagnostics(expecting(*lines))] == ["limit-exceeded"]


def test_a_reason_that_is_not_needed() -> None:
    text = expecting(f'params = {COUNTED.params} because "who knows"')
    assert told(text, "warning") == [("needless-reason", '"who knows"')]


@pytest.mark.parametrize(
    ("line", "slug", "guilty", "help"),
    [
        ("param = 1M", "unknown-quantity", "param", "did you mean `params`?"),
        ("params = 13.1MB", "unknown-unit", "MB", "did you mean `13.1M`?"),
        ("params = 13.1m", "unknown-unit", "m", "did you mean `13.1M`?"),
        ("params = 13.1x", "unknown-unit", "x", ""),
        ("params = 13.1", "wrong-unit", "13.1", ""),
        ("params = gelu", "wrong-unit", "gelu", ""),
        ("params = 1M at 224", "wrong-type", "224", ""),
        ("params = 1M at 0x0", "wrong-type", "0x0", ""),
        ("params = 1M by thop", "unknown-rule", "thop", "rules are `conv_linear`, `deploy`, `fused`, `fvcore`"),
        ("params = 1M by fuse", "unknown-rule", "fuse", "did you mean `fused`?"),
    ],
)
def test_wrong_lines(line: str, slug: str, guilty: str, help: str) -> None:
    found = only(expecting(line), slug)
    assert found.span is not None and found.span.text == guilty
    assert help in found.help


def test_several_wrong_lines_are_told_together() -> None:
    assert [slug for slug, _ in told(expecting("params = 7", "flop = 2", "flops = 8"))] == [
        *("expectation-failed", "unknown-quantity", "expectation-failed")
    ]


def test_overridden_specs_are_not_checked() -> None:
    text = expecting("params = 7", "flops = 7 at 96x96")
    spec = archdsl.loads(text, set={"s1.depth": 1})
    assert [e.status for e in spec.expectations] == ["not checked", "not checked"]
    # those that name the size are checked
    spec = archdsl.loads(text, at=(96, 96))
    assert [e.status for e in spec.expectations] == ["not checked", "fails"]
