"""Spaces: named decisions over a base, and what bounds them."""

from __future__ import annotations

from random import Random

import pytest

import archdsl
from archdsl.ir.decisions import combinations
from archdsl.ir.fuse import fused
from archdsl.ir.space import Space
from tests.ir.support import TINY, changed, diagnostics, field, stage, told

# as `mixer_nas` of the design, with the components there are
PYRAMID = """\
arch pyramid {
  input   = 3x112x112
  classes = 10

  let width  = 64
  let narrow = channel_attention(head_dim = 32)
  let act    = gelu

  layout {
    then identity + dwconv(3x3)
    residual layernorm -> token
    residual layernorm -> channel
  }

  default {
    token   = narrow
    channel = mlp(ratio = 4)
    down    = conv(3x3, stride = 2) -> batchnorm
  }

  stem = conv(4x4, out = width, stride = 4) -> batchnorm -> act

  stage s1 { dim = width,     depth = 2 }
  stage s2 { dim = width * 2, depth = 2, token = narrow(head_dim = 64) }
  stage s3 { dim = width * 4, depth = 6 }

  head = mean -> linear(classes)
}

let gate         = mlp(ratio = 2 | 4)
let local(reach) = window_attention(window = reach, head_dim = 32) -> conv(1x1)
let routed       = routing(regions = 7x7, head_dim = 32)

space mixers over pyramid {
  let width = 32..96 step 32

  stage s1 {
    depth   = 1..3
    token   = narrow | local(3..7 step 2)
    channel = mlp(ratio = 2 | 4) | gate
  }
  stage s2 {
    token = narrow(head_dim = 64) | routed(topk = 1 | 4)
  }
  stage s3 {
    depth = 4..12 step 2
    token = narrow | cycle(routed(topk = 1 | 2), local(3))
    channel = mlp(ratio = 2.0..4.0 step 0.5) | gate
    last { token = narrow | attention(head_dim = 32) }
  }

  require s1.depth <= s3.depth / 2
  budget flops  <= 900M at 112x112
  budget params <= 20M
  budget params >= 1K

  maximize zen_score
  minimize latency
}
"""


def space(text: str = PYRAMID, name: str | None = None) -> Space:
    names = [word for line in text.splitlines() if line.startswith("space") for word in [line.split()[1]]]
    found = archdsl.loads(text, name=name or names[0]).space
    assert found is not None
    return found


def over(*lines: str, base: str = TINY) -> str:
    return base + "space s over tiny {\n" + "\n".join(lines) + "\n}\n"


def test_each_written_domain_is_one_decision_named_by_its_path() -> None:
    assert [(d.path, len(d.values)) for d in space().decisions] == [
        ("width", 3),
        ("s1.depth", 3),
        ("s1.token", 2),
        ("s1.token.local.reach", 3),
        ("s1.channel", 2),
        ("s1.channel.mlp.ratio", 2),
        ("s2.token", 2),
        ("s2.token.routed.topk", 2),
        ("s3.depth", 5),
        ("s3.token", 2),
        ("s3.token.cycle.routed.topk", 2),
        ("s3.channel", 2),
        ("s3.channel.mlp.ratio", 5),
        ("s3.last.token", 2),
        ("gate.ratio", 2),
    ]


def test_a_component_that_stands_alone_adds_no_name() -> None:
    lines = (
        "stage s2 { token = mixer(heads = 4 | 8) }",
        "default { channel = mlp(ratio = 2 | 4) }",
        "drop_path = 0.1 | ramp(0.1)",
    )
    assert [d.path for d in space(over(*lines)).decisions] == ["drop_path", "default.channel.ratio", "s2.token.heads"]


def test_two_decisions_of_one_path_are_numbered() -> None:
    found = space(over("let width = (16 | 32) + (0 | 16)"))
    assert [d.path for d in found.decisions] == ["width", "width_2"]


def test_the_values_of_a_range() -> None:
    found = {d.path: d for d in space().decisions}
    assert found["s3.depth"].values == (4, 6, 8, 10, 12)
    assert found["s3.channel.mlp.ratio"].labels == ("2", "2.5", "3", "3.5", "4")
    negative = space(over("let width = 30 + (-2..2 step 2)"))
    assert negative.decisions[0].labels == ("-2", "0", "2")


def test_the_base_is_a_point() -> None:
    found = space()
    assert found.named(found.base_point) == {
        "width": "64",
        "s1.depth": "2",
        "s1.token": "narrow",
        "s1.channel": "mlp(ratio = 2 | 4)",
        "s1.channel.mlp.ratio": "4",
        "s2.token": "narrow(head_dim = 64)",
        "s3.depth": "6",
        "s3.token": "narrow",
        "s3.channel": "mlp(ratio = 2.0..4.0 step 0.5)",
        "s3.channel.mlp.ratio": "4",
        "s3.last.token": "narrow",
        "gate.ratio": "2",
    }
    from archdsl.ir.digest import digest

    assert digest(found.network(found.base_point), names=False) == digest(found.base_network, names=False)


def test_points() -> None:
    found = space()
    # alternatives with decisions inside count as many as those have
    assert found.points == 3 * 3 * (1 + 3) * (2 + 1) * (1 + 2) * 5 * (1 + 2) * (5 + 1) * 2 * 2
    assert space(over("stage s1 { depth = 1..3 }")).points == 3


def test_the_network_of_a_point() -> None:
    found = space()
    keys = {d.path: d.key for d in found.decisions}
    chosen = {"width": 96, "s3.depth": 8, "s3.token": 1, "s3.token.cycle.routed.topk": 1}
    point = {**found.base_point, **{keys[path]: value for path, value in chosen.items()}}
    network = found.network(point)
    assert stage(network, "s1").y.channels == 96 and len(stage(network, "s3").blocks) == 8
    assert field(network, "stages.s3.0.token", "topk") == 2
    # a decision beside `s3.token`, which does not narrow it
    assert field(network, "stages.s3.7.token", "head_dim") == 32
    # every place reads the one decision of the let
    gated = {**point, keys["s1.channel"]: 1, keys["s3.channel"]: 1, keys["gate.ratio"]: 1}
    assert [field(found.network(gated), f"stages.{name}.0.channel", "ratio") for name in ("s1", "s3")] == [4.0, 4.0]


def test_drawn_points_can_be_built() -> None:
    found, random = space(), Random(3)
    for _ in range(10):
        point = found.draw(random)
        network = found.network(point)
        assert found.keeps_budgets(point) in (True, False)
        assert set(found.named(point)) <= {d.path for d in found.decisions}
        assert len(stage(network, "s1").blocks) <= len(stage(network, "s3").blocks) / 2


def test_a_point_that_breaks_a_rule() -> None:
    found = space()
    keys = {d.path: d.key for d in found.decisions}
    with pytest.raises(archdsl.SpecError) as caught:
        found.network({**found.base_point, keys["s1.depth"]: 3, keys["s3.depth"]: 4})
    assert [d.slug for d in caught.value.diagnostics] == ["outside-require"]
    assert caught.value.diagnostics[0].label == "3 <= 2 does not hold"


def test_budgets_are_exact_and_at_their_own_size() -> None:
    found = space()
    assert [(b.quantity, b.operator, b.limit) for b in found.budgets] == [
        ("flops", "<=", 900_000_000),
        ("params", "<=", 20_000_000),
        ("params", ">=", 1_000),
    ]
    network, line = archdsl.loads(TINY).network, "stage s1 { depth = 1..3 }"
    count = archdsl.loads(TINY).flops
    assert space(over(f"budget flops <= {count} at 64x64", line)).within_budget(network)
    tight = space(over(f"budget flops <= {count} at 128x128", line))
    assert tight.within_budget(tight.base_network) and not tight.keeps_budgets(tight.base_point)
    assert not space(over(f"budget flops < {count}", line)).within_budget(network)


def test_each_form_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from archdsl.ir import rules

    made = []
    monkeypatch.setattr(rules, "fused", lambda network: made.append(network) or fused(network))
    rows = [f"budget {quantity} <= 1T by {rule}" for quantity in ("params", "flops") for rule in rules.RULES]
    found = space(over(*rows, "stage s1 { depth = 1..3 }"))
    assert found.within_budget(found.base_network)
    assert len(made) == 1


def test_objectives() -> None:
    assert [(o.direction, o.name) for o in space().objectives] == [("maximize", "zen_score"), ("minimize", "latency")]


@pytest.mark.parametrize(
    ("line", "guilty"),
    [
        ("stage s1 { depth = 4..9 }", "4..9"),
        ("let width = 48..96 step 16", "48..96 step 16"),
        ("stage s2 { token = mixer(heads = 2 | 4) }", "2 | 4"),
        ("stage s2 { token = relu | gelu }", "relu | gelu"),
        ("default { channel = mlp(ratio = 2 | 3) }", "2 | 3"),
        ("stage s2 { last { token = gelu | mixer(heads = 2) } }", "gelu | mixer(heads = 2)"),
        ("drop_path = ramp(0.2) | none", "ramp(0.2) | none"),
    ],
)
def test_the_base_lies_in_every_domain(line: str, guilty: str) -> None:
    errors = [d for d in diagnostics(over(line)) if d.severity == "error"]
    assert [d.slug for d in errors] == ["outside-domain"]
    assert errors[0].span is not None and errors[0].span.text == guilty


@pytest.mark.parametrize(
    "line",
    [
        "stage s2 { token = attention(heads = 8) | gelu }",  # the let of the base, written out
        "stage s2 { token = gelu | mixer(heads = 2 | 8) }",
        "join = add",
        "stage s1 { stride = 1 | 2, layout { then conv(1x1, stride = stride) } }",
        "default { down = conv(2x2, stride = 2) | conv(3x3, stride = 2) -> batchnorm }",
        "stem = conv(4x4, out = width, stride = 4) -> (batchnorm | layernorm)",
        "layout { residual layernorm -> (token | gelu) residual layernorm -> channel }",
        "head = mean -> (batchnorm | layernorm) -> linear(classes)",
        "stage s1 { drop_path = none | ramp(0.1) }",
    ],
)
def test_domains_anywhere_a_value_stands(line: str) -> None:
    assert told(over(line)) == []


def test_the_base_is_found_where_no_place_settles_it() -> None:
    found = space(over("head = mean -> (batchnorm | layernorm) -> linear(classes)"))
    assert found.named(found.base_point) == {"head": "layernorm"}


def test_a_layout_as_alternative() -> None:
    layouts = "layout plain { residual layernorm -> token }\n  layout wide { residual layernorm -> channel }"
    base = changed("default {", f"{layouts}\n  default {{")
    base = changed("depth = 3,", "depth = 3, layout = wide,", text=base)
    found = space(over("stage s2 { layout = plain | wide }", base=base))
    assert found.named(found.base_point) == {"s2.layout": "wide"}


@pytest.mark.parametrize(
    ("line", "slug", "guilty"),
    [
        ("let width = 32..n", "dynamic-domain", "n"),
        ("let width = 16..(16 * 4)", "dynamic-domain", "16 * 4"),
        ("let width = 32..64 step 2e0", "dynamic-domain", "2e0"),
        ("let width = 64..32", "empty-domain", "64..32"),
        ("let width = 32..64 step 0", "empty-domain", "0"),
        ("let width = 1.5..3.5", "missing-step", "1.5..3.5"),
        ("let width = 1..1_000_000_000_000", "limit-exceeded", "1..1_000_000_000_000"),
        ("input = 3x32x32 | 3x64x64", "misplaced-domain", "3x32x32 | 3x64x64"),
        ("classes = 10 | 20", "misplaced-domain", "10 | 20"),
        ("budget mem <= 2G", "unknown-quantity", "mem"),
        ("budget flops <= 2GB", "unknown-unit", "GB"),
        ("maximize speed", "unknown-objective", "speed"),
        ("require s9.depth <= 3", "unknown-place", "s9"),
        ("require s1.token <= 3", "unknown-attribute", "token"),
        ("require s1.depth > 2 * s1.depth", "outside-require", "s1.depth > 2 * s1.depth"),
        ("require mixer <= 3", "wrong-type", "mixer"),
        ("require width / 0 <= 3", "not-whole", "0"),
        ("require widht <= 3", "unknown-name", "widht"),
    ],
)
def test_wrong_lines(line: str, slug: str, guilty: str) -> None:
    assert told(over("stage s1 { depth = 1..3 }", line)) == [(slug, guilty)]


def test_require_chains_and_lets() -> None:
    line = "stage s1 { depth = 1..3 }"
    assert told(over(line, "require 1 <= s1.depth <= s2.depth < width")) == []
    assert told(over(line, "require s2.dim == 2 * s1.dim", "require width != 3")) == []
    assert told(over(line, "require s1.depth <= s2.depth <= 2")) == [("outside-require", "s2.depth <= 2")]


def test_a_space_without_decisions() -> None:
    assert told(over("let width = 32"), "warning") == [("no-decision", "s")]


def test_a_domain_in_an_arch() -> None:
    assert told(changed("depth = 2", "depth = 1..3")) == [("domain-outside-space", "1..3")]


def test_an_error_of_the_base_is_told_once() -> None:
    base = changed("mlp(ratio = 4)", "mlp(ratoi = 4)")
    assert told(over("stage s1 { depth = 1..3 }", base=base)) == [("unknown-field", "ratoi")]


def test_combinations_skip_what_does_not_exist() -> None:
    decisions = [d for d in space().decisions if d.path.startswith("s1.token")]
    found = [tuple(point.values()) for point in combinations(decisions, {})]
    assert found == [(0,), (1, 3), (1, 5), (1, 7)]
    assert list(combinations([], {})) == [{}]


def test_overrides_of_a_space() -> None:
    found = archdsl.loads(PYRAMID, name="mixers", set={"classes": 3}).space
    assert found is not None and found.base_network.classes == 3
