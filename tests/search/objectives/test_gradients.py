"""`grad_norm` and `zico` against gradients derived by hand."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from archdsl.search.objectives.objective import Candidate, Unmeasured
from archdsl.search.objectives.prepare import labels
from tests.search.objectives.specs import candidate, tiny, value

BATCH = 3


def by_hand(of: Candidate, batches: int) -> list[dict[str, np.ndarray]]:
    """The gradients of `tiny()`: a 1x1 convolution without bias, the mean, a linear map, softmax and cross-entropy."""
    state = {name: tensor.double().numpy() for name, tensor in of.model().state_dict().items()}
    stem, head, bias = state["stem.conv.weight"][:, :, 0, 0], state["head.linear.weight"], state["head.linear.bias"]
    generator = of.generator("images")
    found = []
    for _ in range(batches):
        images = of.images(BATCH, generator).double().numpy()
        classes = labels(of, BATCH, generator).numpy()
        pooled = images.mean((2, 3))  # [B, 3]
        features = pooled @ stem.T  # [B, 4]
        logits = features @ head.T + bias
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        wrong = (chances - np.eye(5)[classes]) / BATCH  # [B, 5]
        found.append({"stem": (wrong @ head).T @ pooled, "head": wrong.T @ features})
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_grad_norm_is_the_sum_of_the_lengths(seed: int) -> None:
    of = candidate(tiny(), seed=seed)
    (found,) = by_hand(of, 1)
    want = sum(math.sqrt(float((gradient**2).sum())) for gradient in found.values())
    assert value("grad_norm", of, batch=BATCH) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("batches", [2, 5])
def test_zico_is_mean_by_deviation_weight_by_weight(batches: int) -> None:
    of = candidate(tiny())
    found = by_hand(of, batches)
    want = 0.0
    for layer in ("stem", "head"):
        lengths = np.stack([np.abs(one[layer]).flatten() for one in found])
        ratios = [statistics.fmean(column) / statistics.pstdev(column) for column in lengths.T.tolist()]
        want += math.log(sum(ratios))
    assert value("zico", of, batch=BATCH, batches=batches) == pytest.approx(want, rel=1e-3)


def test_a_weight_whose_gradient_stays_counts_nothing() -> None:
    import torch

    from archdsl.search.objectives.zico import _steadiness

    lengths = torch.tensor([[1.0, 2.0, 0.0, 3.0], [3.0, 2.0, 0.0, 1.0]])
    assert _steadiness(lengths) == pytest.approx(2 * 2.0)


@pytest.mark.parametrize("name", ["grad_norm", "zico"])
def test_branches_that_start_switched_off_count(name: str) -> None:
    one, small = (
        candidate(tiny(f"residual layernorm -> channel -> layer_scale({init})", more=", channel = mlp"))
        for init in ("1.0", "1e-6")
    )
    assert value(name, one) == value(name, small)


def test_a_network_without_weights_before_its_logits_has_no_gradient() -> None:
    with pytest.raises(Unmeasured, match="no convolution and no linear map"):
        value("grad_norm", candidate(tiny(stem="identity", dim=3, head="mean").replace("= 5", "= 3")))
    with pytest.raises(Unmeasured, match="no gradient changes"):
        value("zico", candidate(tiny(stem="identity", dim=3, head="mean").replace("= 5", "= 3")))
