"""`synflow`: how much of the flow through a network goes through its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from archdsl.search.objectives.objective import Candidate, Objective, Step, Unmeasured
from archdsl.search.objectives.prepare import finite, ready, steady, weights
from archdsl.search.objectives.traced import ACTIVATIONS, NORMS, Traced, first, plain, traced

# functions with a bound that large positive numbers reach
_BOUNDED = frozenset(("sigmoid", "sigmoid_", "hardsigmoid", "tanh", "tanh_", "hardtanh", "cos", "sin"))
_LENGTHS = frozenset(("norm", "vector_norm", "linalg_vector_norm"))
_CONSTANT = _BOUNDED | _LENGTHS | {"softmax", "normalize"}
_PRODUCTS = frozenset(("mul", "__mul__", "__rmul__", "multiply"))
_LEAST = 1e-300


@dataclass(frozen=True, kw_only=True)
class Synflow(Objective):
    """How much of the flow through a network goes through its weights, on one image of ones.

    With the absolute values of all weights, and R the sum of the logits of an image of ones, the score is
    log sum |w * dR/dw| over all weights w of convolutions and linear maps: in a chain of layers, the logarithm of their number
    times the sum over all paths of the products of the weights on them. The paper has no logarithm; ranks are the same.

    R is of degree 1 in the weights of each layer, and stays so here, whatever stands between them. What is made of the image
    is large and positive, so an activation is taken for the identity, and what has a bound (sigmoid, tanh) for that bound.
    Norms are left out, as batch norms are in the published code; the weights of a softmax, and the entries of a vector that is
    brought to length 1, are all alike; where two maps that depend on the image are multiplied, as in a gated MLP, the geometric
    mean stands for the product, so that depth does not square the flow. Biases are 0. All is computed in float64.
    """

    name = "synflow"
    direction = "maximize"
    unit = "natural logarithm"
    source = (
        "Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, NeurIPS 2020 "
        "(arXiv:2006.05467); as a score of networks Abdelfattah et al., Zero-Cost Proxies for Lightweight NAS, ICLR 2021 "
        "(arXiv:2101.08134)"
    )
    cost = "one forward and one backward pass of one image, in float64"

    def measure(self, candidate: Candidate, step: Step) -> float:
        model = ready(candidate).double()
        with torch.no_grad():
            for value in model.parameters():
                value.abs_()
            for name, value in model.named_parameters():
                if name.rpartition(".")[2] == "bias":
                    value.zero_()
        counted = list(weights(model).values())
        image = torch.ones((1, *candidate.image.shape), dtype=torch.float64, device=candidate.device)
        with steady(), torch.enable_grad():
            flow = plain(model(traced(image, _linear))).sum()
            found = torch.autograd.grad(flow, counted, allow_unused=True) if counted else ()
        shares = [(value * share).abs().sum() for value, share in zip(counted, found, strict=True) if share is not None]
        total = finite(torch.stack(shares).sum().item() if shares else 0.0, "the flow")
        if not total:
            raise Unmeasured("nothing flows through the weights")
        return finite(torch.tensor(total, dtype=torch.float64).log().item(), "the logarithm of the flow")


def _linear(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """What stands for an operation in the linear network."""
    if name in ACTIVATIONS or name in NORMS:
        return first(args, kwargs)
    if name in _PRODUCTS:
        return _geometric_mean(*args) if all(isinstance(x, Traced) for x in args) else None
    if name == "scaled_dot_product_attention":
        query, _, value = args[:3]
        return value.mean(-2, keepdim=True).expand(*value.shape[:-2], query.shape[-2], -1)
    if name not in _CONSTANT:
        return None
    x = plain(first(args, kwargs)).detach()
    if name in _LENGTHS:
        rest = {key: value for key, value in kwargs.items() if key != "input"}
        length = torch.linalg.vector_norm if "vector_norm" in name else torch.norm
        return torch.ones_like(length(x, *args[1:], **rest))
    if name in _BOUNDED:
        return torch.ones_like(x)
    of_normalize = name == "normalize"
    dim = kwargs.get("dim", (args[2] if len(args) > 2 else 1) if of_normalize else args[1] if len(args) > 1 else -1)
    return torch.full_like(x, x.shape[dim] ** (-0.5 if of_normalize else -1.0))


def _geometric_mean(one: Tensor, other: Tensor) -> Tensor:
    # the root of a zero has no gradient
    return one.abs().clamp_min(_LEAST).sqrt() * plain(other).abs().clamp_min(_LEAST).sqrt()
