"""Points of a space: drawn, read, and written out as archs."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import archdsl
from archdsl.ir.digest import digest

ROOT = Path(__file__).resolve().parents[2]
SPACES = ["search/biformer_nas/space.arch", "search/mixer_small/space.arch"]

ARCH = """
arch a {
  input = 3x32x32
  classes = 10
  let shift = 2
  layout { residual layernorm -> channel }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 1, channel = mlp(ratio = 2) }
  stage s2 { dim = 16, depth = 1, channel = mlp(ratio = 2) }
  head = mean -> linear(classes)
}
"""


def space(body: str, arch: str = ARCH) -> archdsl.Spec:
    return archdsl.loads(f"{arch}\nspace s over a {{ {body} }}", name="s")


@pytest.mark.parametrize("name", SPACES)
def test_the_arch_at_a_point_is_the_network_at_it(name: str) -> None:
    spec = archdsl.load(ROOT / name)
    assert spec.space
    random = Random(0)
    for _ in range(5):
        point = spec.draw(random)
        arch = spec.arch(point)
        assert arch.kind == "arch"
        assert arch.space is None
        assert arch.hash == digest(spec.space.network(point))
        assert archdsl.loads(arch.canonical).hash == arch.hash
        assert spec.space.named(point) == point.named


def test_a_seed_says_which() -> None:
    spec = archdsl.load(ROOT / SPACES[0])
    assert spec.draw(3) == spec.draw(Random(3))
    assert repr(spec.draw(3)).startswith("{width = ")


def test_alternatives_inside_alternatives() -> None:
    spec = space("stage s1 { channel = mlp(ratio = 2 | 3 * (1 | 2)) | mlp(ratio = 2, act = relu) }")
    seen = {spec.arch(spec.draw(seed)).hash for seed in range(40)}
    assert len(seen) == 4


def test_numbers_are_exact() -> None:
    spec = space("let shift = -2..2\n stage s1 { channel = mlp(ratio = 2.0..4.0 step 0.125) }")
    for seed in range(20):
        point = spec.draw(seed)
        assert f"ratio = {point.named['s1.channel.ratio']}" in spec.arch(point).canonical


def test_a_point_by_name() -> None:
    spec = archdsl.load(ROOT / SPACES[1])
    assert spec.space
    for seed in range(5):
        point = spec.draw(seed)
        again = spec.space.point(point.named)
        assert again.named == point.named
        assert spec.arch(again).hash == spec.arch(point).hash
    assert spec.space.point({}).named == spec.space.named(spec.space.base_point)
    assert spec.space.point({"s3.depth": 5, "s2.channel.ratio": 4.0}).named["s3.depth"] == "5"


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ({"s3.dept": 5}, "has no decision `s3.dept`: did you mean `s3.depth`"),
        ({"s3.depth": 99}, "`s3.depth` is one of 1, 2, 3, 4, 5, 6, not 99"),
        ({"s2.token": "full", "s2.token.routed.topk": 2}, "`s2.token.routed.topk` does not exist at this point"),
    ],
)
def test_no_point_by_name(named: dict[str, object], told: str) -> None:
    space = archdsl.load(ROOT / SPACES[1]).space
    assert space
    with pytest.raises(ValueError, match=told):
        space.point(named)


def test_require_is_kept() -> None:
    spec = space("stage s1 { depth = 1..9 } stage s2 { depth = 1..9 } require s1.depth == s2.depth")
    point = spec.draw(0)
    assert point.named["s1.depth"] == point.named["s2.depth"]
    loose = [spec.draw(seed, require=False).named for seed in range(9)]
    assert any(named["s1.depth"] != named["s2.depth"] for named in loose)


def test_a_space_whose_points_cannot_be_drawn() -> None:
    body = " ".join(f"stage s{number} {{ depth = 1..500 }}" for number in (1, 2)) + " require s1.depth * s2.depth <= 1"
    with pytest.raises(ValueError, match="500 points drawn from `s`, and none"):
        space(body).draw(0)


def test_what_is_no_space_and_no_point() -> None:
    arch = archdsl.load("@biformer_t")
    for call in (lambda: arch.draw(0), lambda: arch.arch({})):
        with pytest.raises(ValueError, match="`biformer_t` is an arch: it leaves nothing to choose"):
            call()
    one, other = space("stage s1 { depth = 1..2 }"), space("stage s2 { depth = 1..2 }")
    with pytest.raises((ValueError, archdsl.SpecError)):
        one.arch(other.draw(0))
    with pytest.raises(TypeError, match="whole number for a seed, not 'a'"):
        one.draw("a")  # type: ignore[arg-type]
