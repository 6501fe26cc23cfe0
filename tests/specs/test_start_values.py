"""Every weight of the smallest spec of each family starts by the published rule, in its mean and its deviation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from archdsl import api
from archdsl.lowering.build import build_module

# the deviation of a weight, from the module that holds it
Deviation = Callable[[nn.Module], float]
# the mean and the deviation
Rule = tuple[float, Deviation]


def _constant(value: float) -> Rule:
    return value, lambda _: 0.0


def _normal(deviation: float) -> Rule:
    # where a paper cuts it off, the cut is a hundred deviations away
    return 0.0, lambda _: deviation


def _fan_in(module: nn.Module) -> float:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight[0].numel()


def _fan_out(module: nn.Module) -> float:
    assert isinstance(module, nn.Conv2d)
    return module.weight[0, 0].numel() * module.out_channels / module.groups


def _width(module: nn.Module) -> float:
    height_rel = module.height_rel
    assert isinstance(height_rel, Tensor)
    return height_rel.shape[1]


FIFTIETH = _normal(0.02)
# PyTorch's rule for weights and biases of convolutions: uniform within 1 / sqrt(fan in)
UNIFORM: Rule = (0.0, lambda module: (3 * _fan_in(module)) ** -0.5)
FAN_OUT: Rule = (0.0, lambda module: (2 / _fan_out(module)) ** 0.5)
FAN_IN: Rule = (0.0, lambda module: _fan_in(module) ** -0.5)
ZERO, ONE = _constant(0), _constant(1)

_NORM = r"\b(\w*norm|norm|bn|\w+_bn|dil_bn_\w+)(_\d+)?"
_CONVOLUTION = r"(^|\.)(\w*conv|patch_embed)(_\d+)?"
# what all papers agree on but for what the family says; the first rule that fits counts
COMMON: Mapping[str, Rule] = {rf"{_NORM}\.weight$": ONE, r"\.bias$": ZERO, r"\.weight$": FIFTIETH}

_PYTORCH: Mapping[str, Rule] = {rf"{_CONVOLUTION}\.(weight|bias)$": UNIFORM}
_LEPE: Mapping[str, Rule] = {r"\.lepe\.(weight|bias)$": UNIFORM}
_TRANSFORMER: Mapping[str, Rule] = {r"(position_table|class_token)\.weight$": FIFTIETH}

RULES: Mapping[str, Mapping[str, Rule]] = {
    "biformer_stl": {**_PYTORCH, **_LEPE},
    "davit_tiny": _PYTORCH,
    "care_s0": {r"layer_scale\.weight$": _constant(1e-6)},
    # what `gpsa` starts from is no distribution: its own suite holds it
    "convit_tiny": {**_PYTORCH, **_TRANSFORMER, r"gating_param$": ONE},
    "halonet_h0": {
        r"batchnorm_3\.weight$": ZERO,
        rf"{_CONVOLUTION}\.weight$": FAN_OUT,
        r"token\.(q|kv)\.weight$": FAN_IN,
        r"pos_embed\.(height|width)_rel$": (0.0, lambda module: _width(module) ** -0.5),
        r"head\.linear\.weight$": _normal(0.01),
    },
    # as all kernels, the tables of distances
    "tiny_moat_0": {r"relative_bias$": FIFTIETH},
    "overlock_xt": {
        r"(affine|affine_2|rescale)\.weight$": ONE,
        r"(gamma|beta|small_bias|large_bias)$": ZERO,
    },
    # a reconstruction: these are assumed
    "s2aformer": {**_PYTORCH, r"token\.reduce\.(weight|bias)$": UNIFORM},
    "spartan_t": {
        r"layer_scale(_2)?\.weight$": _constant(1e-5),
        r"gamma$": _constant(1e-5),
        r"complex$": _normal(1),
        r"head\.linear\.weight$": FIFTIETH,
        rf"({_CONVOLUTION}|\.(proj_in|proj_out|proj|theta|squeeze|expand))\.weight$": FAN_OUT,
    },
    "transnext_micro": {
        # softplus of it is 1 / 0.24
        r"temperature$": _constant(4.1509),
        r"local_bias$": _normal(4e-4),
        r"learnable_bias$": ZERO,
        r"(query_embedding|learnable_tokens)$": FIFTIETH,
        rf"({_CONVOLUTION}|token\.reduce)\.weight$": FAN_OUT,
    },
    "volo_d1": {**_PYTORCH, **_TRANSFORMER},
}
# maps as small as the arithmetic allows: only what belongs to positions differs
SIZE = {"biformer_stl": (224, 224), "halonet_h0": (256, 256)}
# the same kinds of weights in fewer blocks
DEPTH = {
    "davit_tiny": {"s3.depth": 2},
    "halonet_h0": {"s3.depth": 2},
    "biformer_stl": {"s3.depth": 2},
    "volo_d1": {"s3.depth": 2},
    "s2aformer": {"s3.depth": 2},
}
# started by something else than a distribution
_OTHERWISE = {"convit_tiny": r"stages\.local\.\d+\.token\.(v|pos_proj)\.weight$"}


def _rule(spec: str, name: str) -> Rule | None:
    for pattern, rule in {**RULES[spec], **COMMON}.items():
        if re.search(pattern, name):
            return rule
    return None


@pytest.mark.parametrize("spec", RULES)
def test_every_weight_starts_by_the_published_rule(spec: str) -> None:
    module = build_module(api.load(f"@{spec}", at=SIZE.get(spec, (64, 64)), set=DEPTH.get(spec, {})).network, seed=11)
    for name, weight in module.named_parameters():
        if re.search(_OTHERWISE.get(spec, "$^"), name):
            continue
        rule = _rule(spec, name)
        assert rule is not None, f"`{name}` has no rule"
        mean, deviation = rule[0], rule[1](module.get_submodule(name.rpartition(".")[0]))
        if not deviation:
            torch.testing.assert_close(weight, torch.full_like(weight, mean), rtol=1e-4, atol=0, msg=name)
            continue
        # six times what a draw of so many numbers strays
        count = weight.numel()
        assert weight.mean().item() == pytest.approx(mean, abs=6 * deviation / count**0.5), name
        assert weight.square().mean().item() ** 0.5 == pytest.approx(deviation, rel=6 / (2 * count) ** 0.5), name


def test_every_family_is_held() -> None:
    families = {"biformer", "care", "convit", "davit", "halonet", "tiny_moat", "overlock", "s2aformer", "spartan"}
    assert {spec.rsplit("_", 1)[0] for spec in RULES} == families | {"transnext", "volo"}
