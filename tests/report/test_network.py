"""What is told of a network agrees with the network."""

from __future__ import annotations

import pytest

from archdsl import api
from archdsl.ir.network import PlacedStage
from archdsl.report.diff import changes
from archdsl.report.parts import in_turn, over_blocks, runs, slot, text
from archdsl.report.shares import by_component
from archdsl.report.stage_table import stage_rows, stage_table
from archdsl.report.written import difference, written, written_component

SPECS = ["@biformer_t", "@biformer_stl", "@davit_tiny"]
WIDE = [*SPECS, "@care_s0", "@halonet_h5", "@moat_4", "@overlock_b", "@transnext_tiny", "@volo_d1"]


def told(before: str, after: str) -> list[str]:
    return [str(change) for change in changes(api.load(before).network, api.load(after).network)]


@pytest.mark.parametrize("name", SPECS)
def test_rows_add_up(name: str) -> None:
    spec = api.load(name)
    rows = stage_rows(spec.network)
    assert sum(row["params"] for row in rows) == spec.params  # type: ignore[misc]
    assert sum(row["flops"] for row in rows) == spec.flops  # type: ignore[misc]
    assert [row["name"] for row in rows] == list(stage_table(spec.network).header[1:-1])
    assert sum(share.params for share in by_component(spec.network)) == spec.params
    assert sum(share.flops for share in by_component(spec.network)) == spec.flops


def test_the_table_of_the_paper() -> None:
    rows = {row[0]: row[1:] for row in stage_table(api.load("@biformer_t").network).rows}
    assert rows["output"] == ("56x56", "56x56", "28x28", "14x14", "7x7", "", "")
    assert rows["dim"] == ("64", "64", "128", "256", "512", "1000", "")
    assert rows["depth"] == ("", "2", "2", "8", "2", "", "")
    assert rows["token"][3] == "routing\n  topk = 16\n  regions = 7x7\n  head_dim = 32\n  lepe = 5x5"
    assert rows["params"][-1] == "13.1M"


def test_mixers_in_turn() -> None:
    rows = {row[0]: row for row in stage_table(api.load("@davit_tiny").network).rows}
    assert rows["token"][2].splitlines()[0] == "in turn"
    assert "channel_attention" in rows["token"][2]


CHAINED = """
arch chained {
  input   = 3x32x32
  classes = 10
  let wide = conv(1x1, out = 64, bias = false) -> batchnorm(eps = 1e-3, momentum = 0.01) -> gelu
  layout { residual token -> channel }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 {
    dim     = 16
    depth   = 3
    token   = split([4, 12], identity, 2 * dwconv(3x3) + dwconv(11x1) + dwconv(1x11))
    channel = identity + (wide -> conv(1x1)) -> layernorm
    last { let wide = conv(1x1, out = 48) }
  }
  head = mean -> linear(classes)
}
"""


def test_chains_stand_one_part_a_line() -> None:
    network = api.loads(CHAINED).network
    rows = {row[0]: row[2] for row in stage_table(network).rows}
    assert rows["token"].splitlines() == [
        *("split [4, 12]", "  identity"),
        *("  2 * dwconv(3x3)", "  + dwconv(11x1)", "  + dwconv(1x11)"),
    ]
    assert rows["channel"].splitlines() == [
        "2 x identity",
        "    + (conv(1x1, out = 64,",
        "         bias = false)",
        "       -> batchnorm(eps = 0.001,",
        "            momentum = 0.01)",
        "       -> gelu",
        "       -> conv(1x1, out = 16))",
        "    -> layernorm",
        "1 x identity",
        "    + (conv(1x1, out = 48)",
        "       -> conv(1x1, out = 16))",
        "    -> layernorm",
    ]


def test_a_chain_in_a_sum_has_parentheses() -> None:
    stage = api.loads(CHAINED).network.values["s1"]
    assert isinstance(stage, PlacedStage)
    assert slot(stage.blocks[-1], "channel") == "(identity + (conv(1x1, out = 48) -> conv(1x1, out = 16))) -> layernorm"


@pytest.mark.parametrize("name", WIDE)
def test_tables_fit_a_page(name: str) -> None:
    shown = stage_table(api.load(name).network).text(width=100)
    assert max(map(len, shown.splitlines())) <= 100


def test_the_stem_as_written() -> None:
    stem = api.load("@biformer_t").network.stem
    assert stem
    assert text(stem) == (
        "conv(3x3, out = 32, stride = 2x2) -> batchnorm -> gelu -> conv(3x3, out = 64, stride = 2x2) -> batchnorm"
    )


def test_no_difference() -> None:
    assert told("@biformer_t", "@biformer_t") == []


def test_what_images_go_through() -> None:
    head = 'import "@davit_tiny" (davit_tiny)\narch other extends davit_tiny { preprocess = '
    before = api.load("@davit_tiny").network
    wide = api.loads(f"{head}normalize(crop_ratio = 0.5) }}").network
    (change,) = changes(before, wide)
    assert change.path == "preprocess"
    assert [str(change.before), str(change.after)] == [str(before.preprocess), str(wide.preprocess)]
    (gone,) = changes(before, api.loads(f"{head}none }}").network)
    assert str(gone) == f"preprocess {before.preprocess} -> nothing"


def test_a_deeper_one() -> None:
    found = told("@biformer_t", "@biformer_s")
    assert [line for line in found if "depth" in line] == [
        "s1.depth 2 -> 4",
        "s2.depth 2 -> 4",
        "s3.depth 8 -> 18",
        "s4.depth 2 -> 4",
    ]
    assert all("depth" in line or "drop_path" in line for line in found)


def test_other_parts() -> None:
    found = told("@biformer_t", "@biformer_stl")
    assert "s1.dwconv dwconv(3x3) -> nothing" in found
    assert "s2.down (conv -> batchnorm) -> (batchnorm -> conv)" in found
    assert (
        "s1.channel.ratio 3 -> 4" in found
        or "s1.channel.ratio 3 -> default" in found
        or "s1.channel.ratio 3 -> nothing" in found
    )


def test_another_network_altogether() -> None:
    found = told("@biformer_t", "@davit_tiny")
    assert any(line.startswith("s3.token routing(topk = 16, lepe = 5x5) -> cycle(window_attention(7x7)") for line in found)


RESNET = """
arch r {
  input   = 3x64x64
  classes = 100
  let bottleneck(w) = conv(1x1, out = w, bias = false) -> batchnorm -> relu
                   -> conv(3x3, out = w, stride = stride) -> batchnorm -> relu -> conv(1x1) -> batchnorm
  layout {
    residual bottleneck(dim / 4) skip fit(conv(1x1, stride = stride) -> batchnorm)
    then relu
  }
  default { first { stride = 2 } }
  stem = conv(7x7, out = 64, stride = 2) -> maxpool(3x3, stride = 2)
  stage s1 { dim = 128, depth = 2, first { stride = 1 } }
  stage s2 { dim = 256, depth = 2 }
  head = avgpool -> linear(classes)
}
"""


def test_a_network_without_mixers_is_shown_by_its_layout() -> None:
    network = api.loads(RESNET).network
    rows = {row[0]: row[1:] for row in stage_table(network).rows}
    assert list(rows) == ["output", "dim", "depth", "layout", "params", "FLOPs"]
    assert rows["layout"][1] == (
        "residual bottleneck\n  conv(1x1)\n  batchnorm\n  relu\n  conv(3x3)\n  batchnorm\n  relu\n  conv(1x1)\n  batchnorm\n"
        "  skip fit\n    conv(1x1)\n    batchnorm\nthen relu"
    )
    assert rows["layout"][1] == rows["layout"][2]
    assert "none" not in stage_table(network).text()


def test_what_one_side_alone_has_is_one_line() -> None:
    one, other = api.loads(RESNET).network, api.load("@davit_tiny").network
    found = [str(change) for change in changes(one, other)]
    assert "s1.bottleneck (conv -> batchnorm -> ... 5 more -> batchnorm) -> nothing" in found
    assert "s2.skip (fit(conv -> batchnorm)) -> nothing" in found
    assert not [line for line in found if "bottleneck." in line or "skip." in line or "fit()" in line]
    (s3,) = [line for line in found if line.startswith("s3")]
    assert s3.startswith("s3 nothing -> { dim = 384, depth = 6, token = cycle(window_attention(7x7, head_dim = 32), ")
    (back,) = [str(change) for change in changes(other, one) if change.path.startswith("s3")]
    assert back.startswith("s3 { dim = 384, ")
    assert back.endswith(" } -> nothing")
    assert max(map(len, found)) < 200


def test_a_change_within_a_label_is_told_where_it_is() -> None:
    swapped = RESNET.replace("conv(1x1, out = w, bias = false) -> batchnorm -> relu", "conv(1x1, out = w) -> relu -> batchnorm")
    found = [str(change) for change in changes(api.loads(RESNET).network, api.loads(swapped).network)]
    assert "s1.bottleneck.conv.bias false -> true" in found
    assert any(line.startswith("s1.layout { residual conv -> batchnorm -> relu -> conv") for line in found)


def test_one_value() -> None:
    before, after = api.load("@biformer_t"), api.load("@biformer_t", set={"s3.depth": "9", "s1.token.topk": "2"})
    found = [str(change) for change in changes(before.network, after.network)]
    assert "s3.depth 8 -> 9" in found
    assert "s1.token.topk 1 -> 2" in found


def test_blocks_in_short() -> None:
    assert over_blocks(["a", "a"]) == "a"
    assert over_blocks(["a", "b", "a"]) == "cycle(a, b)"
    assert over_blocks(["a", "a", "a", "a", "a", "b"]) == "5 x a, 1 x b"
    assert over_blocks([]) == ""
    assert in_turn([]) is None
    assert runs(["a", "b", "b"]) == [(1, "a"), (2, "b")]


def test_values_as_written() -> None:
    assert [written(value) for value in (None, True, 1e-6, 2.0, "x", (1.0, 2.0))] == [
        "none",
        "true",
        "1e-6",
        "2",
        '"x"',
        "[1, 2]",
    ]


def test_defaults_are_left_out() -> None:
    from archdsl.components.channel.mlp.spec import Mlp
    from archdsl.components.map.gelu.spec import Gelu
    from archdsl.components.map.relu.spec import Relu

    assert written_component(Mlp(4.0, Gelu())) == "mlp"
    assert written_component(Mlp(3.0, Relu())) == "mlp(ratio = 3, act = relu)"


def test_differences() -> None:
    assert difference(10, 10) == "the same"
    assert difference(1000, 1500) == "+500 (+50.0 %)"
    assert difference(2_000_000, 1_000_000) == "-1_000_000 (-50.0 %)"
    assert difference(0, 5) == "+5"


STARTED = """
arch started {
  input   = 3x32x32
  classes = 10
  init    = "fan_out"
  layout { then token }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 2, token = cycle(conv(3x3, init = "normal"), gelu -> conv(1x1)) }
  head = mean -> linear(classes)
}
"""


def test_how_a_convolution_starts_is_told_where_its_call_says_it() -> None:
    network = api.loads(STARTED).network
    stage = network.values["s1"]
    assert isinstance(stage, PlacedStage)
    assert slot(stage.blocks[0], "token") == 'conv(3x3, out = 16, init = "normal")'
    # what the arch says of all is not repeated
    assert slot(stage.blocks[1], "token") == "gelu -> conv(1x1, out = 16)"
    assert network.stem is not None
    assert "init" not in text(network.stem)


def test_how_convolutions_start_is_compared_among_mixers_of_several_kinds() -> None:
    mixed = STARTED.replace("gelu -> conv(1x1)", "dwconv(3x3)")
    before, written = api.loads(mixed).network, mixed.replace("dwconv(3x3)", 'dwconv(3x3, init = "fan_out")')
    assert changes(before, api.loads(written).network) == []
    (change,) = changes(before, api.loads(mixed.replace('"normal"', '"uniform"')).network)
    assert change.path == "s1.token"
    assert (change.before or "").startswith('cycle(conv(3x3, out = 16, init = "normal"), ')
    assert (change.after or "").startswith("cycle(conv(3x3, out = 16), ")
