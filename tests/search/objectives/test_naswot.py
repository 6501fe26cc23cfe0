"""`naswot` against codes that are compared one by one."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from torch import nn

from archdsl.search.objectives.objective import Candidate, Unmeasured
from archdsl.search.objectives.prepare import ready
from tests.search.objectives.specs import candidate, tiny, value

BATCH = 5


def determinant(rows: list[list[Fraction]]) -> Fraction:
    """By the first row, exactly."""
    if len(rows) == 1:
        return rows[0][0]
    parts = [[row[:k] + row[k + 1 :] for row in rows[1:]] for k in range(len(rows))]
    return sum(((-1) ** k * rows[0][k] * determinant(part) for k, part in enumerate(parts)), Fraction(0))


def slowly(of: Candidate, kinds: tuple[type[nn.Module], ...]) -> float:
    """The score from what goes into the modules of some kinds, read by hooks."""
    model = ready(of)
    codes: list[list[bool]] = [[] for _ in range(BATCH)]

    def keep(module: nn.Module, given: tuple[torch.Tensor]) -> None:
        for code, x in zip(codes, given[0], strict=True):
            code += [number > 0 for number in x.flatten().tolist()]

    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_pre_hook(keep)
    with torch.no_grad():
        model(of.images(BATCH))
    agreed = [[Fraction(sum(a == b for a, b in zip(one, two, strict=True))) for two in codes] for one in codes]
    return math.log(abs(determinant(agreed)))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (tiny("then conv(3x3) -> relu -> conv(1x1, out = 3) -> silu -> conv(1x1, out = dim)"), (nn.ReLU, nn.SiLU)),
        (tiny("then conv(3x3) -> batchnorm -> relu"), (nn.ReLU,)),
        (
            tiny("residual layernorm -> token\n    residual channel", more=", token = attention(heads = 2), channel = mlp"),
            (nn.GELU,),
        ),
        # the biases of positions go through an activation that no image reaches
        (
            tiny("residual token\n    residual channel", more=", token = cosine_attention(head_dim = 2), channel = mlp"),
            (nn.GELU,),
        ),
        # a gate: the activation counts, the sigmoid does not
        (tiny("then squeeze_excite(ratio = 2, act = relu)", stem="conv(1x1, out = 64)", dim=64), (nn.ReLU,)),
        (tiny("then conv(1x1) -> relu", more="").replace("head = mean", "head = mean -> gelu"), (nn.ReLU, nn.GELU)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_as_codes_one_by_one(text: str, kinds: tuple[type[nn.Module], ...], seed: int) -> None:
    of = candidate(text, seed=seed)
    assert value("naswot", of, batch=BATCH) == pytest.approx(slowly(of, kinds), rel=1e-12)


def test_a_network_without_activations_has_no_score() -> None:
    with pytest.raises(Unmeasured, match="no activation"):
        value("naswot", candidate(tiny()))


def test_images_that_are_coded_alike_have_no_score() -> None:
    # one element: of five images some have the same sign
    text = tiny("then relu", stem="conv(4x4, out = 1, stride = 4, bias = false)", dim=1)
    with pytest.raises(Unmeasured, match="the same code"):
        value("naswot", candidate(text), batch=BATCH)
