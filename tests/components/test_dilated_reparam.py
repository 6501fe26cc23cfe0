"""`dilated_reparam`: the suite, its sum of branches, the fused form, start values and refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdsl.components.map.dilated_reparam.spec import PUBLISHED
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _state(*branches: str) -> tuple[str, ...]:
    names = ["lk_origin.weight", *(f"origin_bn.{name}" for name in _NORM)]
    for branch in branches:
        names += [f"dil_conv_{branch}.weight", *(f"dil_bn_{branch}.{name}" for name in _NORM)]
    return tuple(names)


class TestDilatedReparam(ComponentSuite):
    component = "dilated_reparam"
    cases = (
        Case(FeatureMap(3, Size(6, 5)), {"kernel": 7}, state=_state("k5_1", "k3_1", "k3_2", "k3_3")),
        Case(FeatureMap(2, Size(4, 9)), {"kernel": Size(5, 11), "branches": ((1, 3), (3, 2))}, state=_state("k1_3", "k3_2")),
        Case(FeatureMap(2, Size(3, 4)), {"kernel": 5, "branches": ()}, state=("lk_origin.weight", "lk_origin.bias")),
    )


def _stirred(module: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_()
    return module


def _tap(image: Tensor, row: int, column: int) -> Tensor:
    inside = 0 <= row < image.shape[1] and 0 <= column < image.shape[2]
    return image[:, row, column] if inside else torch.zeros(len(image), dtype=image.dtype)


def _by_loops(module: torch.nn.Module, image: Tensor, branches: tuple[tuple[int, int], ...]) -> Tensor:
    """One position and one tap at a time, each branch with its norm."""
    state = module.state_dict()
    found = [("lk_origin", "origin_bn", 1), *((f"dil_conv_k{k}_{r}", f"dil_bn_k{k}_{r}", r) for k, r in branches)]
    out = torch.zeros_like(image)
    for name, norm, dilation in found:
        weight = state[f"{name}.weight"][:, 0]
        height, width = weight.shape[1:]
        for i in range(image.shape[1]):
            for j in range(image.shape[2]):
                y = torch.zeros(len(image), dtype=image.dtype)
                for a in range(height):
                    for b in range(width):
                        row, column = i + dilation * (a - height // 2), j + dilation * (b - width // 2)
                        y = y + weight[:, a, b] * _tap(image, row, column)
                mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
                y = (y - mean) / (variance + 1e-5).sqrt()
                out[:, i, j] += state[f"{norm}.weight"] * y + state[f"{norm}.bias"]
    return out


@pytest.mark.parametrize(("kernel", "branches"), [(7, PUBLISHED[7]), (Size(3, 5), ((1, 1), (3, 1)))])
def test_is_the_sum_of_its_branches(kernel: int | Size, branches: tuple[tuple[int, int], ...]) -> None:
    x = FeatureMap(2, Size(5, 8))
    torch.manual_seed(2)
    module = _stirred(instantiate(resolved("dilated_reparam", {"kernel": kernel, "branches": branches}, x), x).double()).eval()
    image = torch.randn(*x.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(module(image[None])[0], _by_loops(module, image, branches), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("side", sorted(PUBLISHED))
def test_every_published_kernel_fuses(side: int) -> None:
    x = FeatureMap(2, Size(9, 6))
    torch.manual_seed(side)
    spec = resolved("dilated_reparam", {"kernel": side}, x)
    module = _stirred(instantiate(spec, x).double()).eval()
    fused = instantiate(spec.fused(), x).double()
    fused.load_state_dict(module.fold())
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), module(images), rtol=1e-9, atol=1e-9)
    assert spec.fused().fused() == spec.fused()
    assert {name: tuple(value.shape) for name, value in fused.state_dict().items()} == spec.fused().weights(x)
    # a fused module folds to itself
    assert all(torch.equal(tensor, fused.state_dict()[name]) for name, tensor in fused.fold().items())


def test_starts_as_published() -> None:
    x = FeatureMap(64, Size(8, 8))
    torch.manual_seed(0)
    module = instantiate(resolved("dilated_reparam", {"kernel": 17}, x), x)
    for name, value in module.named_parameters():
        if value.dim() == 4:
            assert value.std().item() == pytest.approx(0.02, rel=0.1), name
        else:
            assert torch.equal(value, torch.full_like(value, float(name.endswith("weight")))), name


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"kernel": 8}, "kernel", "odd"),
        ({"kernel": Size(7, 4), "branches": ((3, 1),)}, "kernel", "odd"),
        ({"kernel": 11}, "kernel", "7x7, 13x13, 15x15, 17x17"),
        ({"kernel": Size(7, 13)}, "kernel", "7x7, 13x13, 15x15, 17x17"),
        ({"kernel": 7, "branches": ((4, 1),)}, "branches", "an odd kernel"),
        ({"kernel": 7, "branches": ((3, 0),)}, "branches", "an odd kernel"),
        ({"kernel": 7, "branches": ((3, 4),)}, "branches", "within the large kernel"),
        ({"kernel": Size(5, 9), "branches": ((3, 3),)}, "branches", "within the large kernel"),
        ({"kernel": 7, "branches": ((3, 1), (3, 1))}, "branches", "differ"),
    ],
)
def test_refuses_what_could_not_fuse(fields: dict[str, object], field: str, message: str) -> None:
    x = FeatureMap(3, Size(9, 9))
    with pytest.raises(Refused, match=message) as refused:
        shape_at(resolved("dilated_reparam", fields, x), x)
    assert refused.value.field == field
    assert refused.value.help
