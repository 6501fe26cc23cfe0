"""`context_mix`: the suite, its mathematics position by position, the enlarged path, the fused form, start values, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from archdsl.components.folding import folded_state
from archdsl.components.token.context_mix.neighbourhood import neighbourhood_sum, position_bias
from archdsl.components.token.context_mix.spec import enlarged
from archdsl.schema.component import instantiate
from archdsl.schema.units import FeatureMap, Size
from archdsl.testing.case import Case, resolved
from archdsl.testing.conformance import ComponentSuite
from archdsl.testing.site import Refused, shape_at

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _state(*branches: str) -> tuple[str, ...]:
    large = "lepe.dilated_reparam"
    static = [f"{large}.lk_origin.weight"]
    static += [f"{large}.origin_bn.{name}" for name in _NORM] if branches else [f"{large}.lk_origin.bias"]
    for branch in branches:
        static += [f"{large}.dil_conv_{branch}.weight", *(f"{large}.dil_bn_{branch}.{name}" for name in _NORM)]
    return (
        *("small_bias", "large_bias", "taps.weight", "taps.bias"),
        *("fusion.dwconv.weight", "fusion.dwconv.bias", *(f"fusion.batchnorm.{name}" for name in _NORM)),
        *("fusion.conv.weight", "fusion.conv.bias", "fusion.grn.gamma", "fusion.grn.beta"),
        *("query.conv.weight", *(f"query.batchnorm.{name}" for name in _NORM)),
        *("key.conv.weight", *(f"key.batchnorm.{name}" for name in _NORM)),
        *("mixed.conv.weight", *(f"mixed.batchnorm.{name}" for name in _NORM)),
        *(*static, *(f"lepe.batchnorm.{name}" for name in _NORM)),
        *("excite.reduce.weight", "excite.reduce.bias", "excite.expand.weight", "excite.expand.bias"),
        *("gate.conv.weight", *(f"gate.batchnorm.{name}" for name in _NORM)),
        *(*(f"proj.batchnorm.{name}" for name in _NORM), "proj.conv.weight", "proj.conv.bias"),
    )


_SMALL = {"kernel": Size(5, 3), "small": Size(3, 1), "heads": 1, "context": 3, "grid": Size(2, 3), "branches": ((3, 1),)}


class TestContextMix(ComponentSuite):
    component = "context_mix"
    cases = (
        Case(FeatureMap(13, Size(8, 9)), {"kernel": 7, "heads": 2, "context": 5}, state=_state("k5_1", "k3_1", "k3_2", "k3_3")),
        Case(FeatureMap(7, Size(6, 5)), _SMALL, state=_state("k3_1")),
        # smaller than the kernel
        Case(FeatureMap(7, Size(3, 4)), {**_SMALL, "branches": ()}, state=_state()),
    )
    sizes = (Size(7, 7), Size(8, 8), Size(13, 10), Size(9, 15), Size(4, 3), Size(1, 1))


def _started(fields: dict[str, object], x: FeatureMap) -> torch.nn.Module:
    """A module in double precision and evaluation whose every number differs from its start."""
    module = instantiate(resolved("context_mix", fields, x), x).double().eval()
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.add_(0.4 * torch.randn_like(value))
    return module


def _starts(length: int, kernel: int) -> list[int]:
    """Where the window of each position starts: shifted inward at the border."""
    return [min(max(i - kernel // 2, 0), length - kernel) for i in range(length)]


@pytest.mark.parametrize(("size", "kernel"), [((3, 3), (3, 3)), ((4, 7), (3, 5)), ((9, 5), (5, 1)), ((6, 8), (1, 7))])
def test_windows_are_shifted_inward(size: tuple[int, int], kernel: tuple[int, int]) -> None:
    torch.manual_seed(1)
    weight = torch.randn(2, 3, *size, *kernel, dtype=torch.float64)
    value = torch.randn(2, 3, 2, *size, dtype=torch.float64)
    table = torch.randn(3, 2 * kernel[0] - 1, 2 * kernel[1] - 1, dtype=torch.float64)
    found, bias = neighbourhood_sum(weight, value), position_bias(table, *size)
    assert found.shape == value.shape
    assert bias.shape == weight.shape[1:]
    tops, lefts = _starts(size[0], kernel[0]), _starts(size[1], kernel[1])
    for i in range(size[0]):
        for j in range(size[1]):
            expected = torch.zeros(2, 3, 2, dtype=torch.float64)
            for a in range(kernel[0]):
                for b in range(kernel[1]):
                    row, column = tops[i] + a, lefts[j] + b
                    expected += weight[:, :, i, j, a, b, None] * value[..., row, column]
                    distance = (row - i + kernel[0] - 1, column - j + kernel[1] - 1)
                    assert torch.equal(bias[:, i, j, a, b], table[:, *distance])
            torch.testing.assert_close(found[..., i, j], expected)


@pytest.mark.parametrize(("size", "kernel"), [((4, 7), (3, 5)), ((5, 3), (5, 3)), ((3, 6), (1, 3))])
def test_windows_have_the_gradients_of_finite_differences(size: tuple[int, int], kernel: tuple[int, int]) -> None:
    torch.manual_seed(1)
    weight = torch.randn(2, 2, *size, *kernel, dtype=torch.float64, requires_grad=True)
    value = torch.randn(2, 2, 1, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(neighbourhood_sum, (weight, value))


def test_the_products_of_one_row_are_the_largest_made() -> None:
    largest = 0

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            largest = max(largest, made.numel() if func.overloadpacket is torch.ops.aten.mul else 0)
            return made

    weight, value = torch.randn(1, 2, 9, 9, 5, 3), torch.randn(1, 2, 4, 9, 9)
    with Sizes():
        neighbourhood_sum(weight, value)
    assert 0 < largest <= value.numel() * 3


def _by_positions(module: torch.nn.Module, fields: dict[str, object], image: Tensor) -> Tensor:
    """One image: kernels made and applied one position and one channel at a time."""
    context, heads = fields["context"], fields["heads"]
    assert isinstance(context, int)
    assert isinstance(heads, int)
    kernels = (fields["small"], fields["kernel"])
    c, groups = len(image) - context, 2 * heads
    values, x = module.fusion(image[None]), image[None]
    given = tuple(image.shape[1:])
    size = tuple(enlarged(Size(*given), kernels[1]))  # type: ignore[arg-type]
    if size != given:
        values, x = (F.interpolate(y, size=size, mode="bilinear", align_corners=False) for y in (values, x))
    q = module.query(x[:, :c])[0]
    k = module.key(F.adaptive_avg_pool2d(x[:, c:], fields["grid"]))[0].flatten(1)  # type: ignore[arg-type]
    y = torch.zeros(c, *size, dtype=image.dtype)
    wide = len(q) // groups
    for i in range(size[0]):
        for j in range(size[1]):
            for group in range(groups):
                own = slice(group * wide, (group + 1) * wide)
                alike = (q[own, i, j] * (c // groups) ** -0.5) @ k[own]
                taps = module.taps.weight @ alike + module.taps.bias
                done = 0
                for which, (table, kernel) in enumerate(zip((module.small_bias, module.large_bias), kernels, strict=True)):
                    height, width = kernel  # type: ignore[misc]
                    top, left = _starts(size[0], height)[i], _starts(size[1], width)[j]
                    below, right = top - i + height - 1, left - j + width - 1
                    logits = taps[done : done + height * width].reshape(height, width)
                    logits = logits + table[group, below : below + height, right : right + width]
                    weight = logits.flatten().softmax(0).reshape(height, width)
                    done += height * width
                    for channel in range(which * c // 2 + group * wide, which * c // 2 + (group + 1) * wide):
                        window = values[0, channel, top : top + height, left : left + width]
                        y[channel, i, j] = (weight * window).sum()
    if size != given:
        y = F.adaptive_avg_pool2d(y, given)
    y = module.mixed(y[None]) + module.lepe(module.fusion(image[None]))
    gate = module.gate[1](module.gate[0](module.fusion(image[None])))
    y = module.excite(y) * gate * gate.sigmoid()
    return module.proj(y)[0]


@pytest.mark.parametrize(
    ("size", "fields"),
    [
        ((6, 7), {"kernel": Size(5, 5), "small": Size(3, 3), "heads": 2, "context": 3, "grid": Size(2, 3), "branches": ()}),
        ((7, 4), {**_SMALL, "grid": Size(7, 7)}),
        # enlarged to 5x6, and to 7x5
        ((4, 5), {"kernel": Size(5, 5), "small": Size(3, 5), "heads": 1, "context": 2, "grid": Size(2, 2), "branches": ()}),
        ((4, 3), {"kernel": Size(5, 5), "small": Size(1, 1), "heads": 1, "context": 2, "grid": Size(3, 1), "branches": ()}),
    ],
)
def test_is_a_convolution_with_kernels_from_the_context(size: tuple[int, int], fields: dict[str, object]) -> None:
    x = FeatureMap(8 * int(str(fields["heads"])) + int(str(fields["context"])), Size(*size))
    torch.manual_seed(4)
    module = _started(fields, x)
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([_by_positions(module, fields, image) for image in images])
        torch.testing.assert_close(module(images), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("size", "kernel", "expected"),
    [
        ((13, 20), 13, (13, 20)),
        ((12, 16), 13, (13, 17)),  # 13 / 12 * 16 = 17.3
        ((16, 12), 13, (17, 13)),
        ((6, 8), 7, (7, 9)),
        ((1, 1), 7, (7, 7)),
        ((20, 12), Size(5, 13), (21, 13)),
        ((3, 3), Size(5, 3), (5, 5)),
    ],
)
def test_small_maps_are_enlarged(size: tuple[int, int], kernel: int | Size, expected: tuple[int, int]) -> None:
    assert enlarged(Size(*size), kernel if isinstance(kernel, Size) else Size(kernel, kernel)) == expected


def test_an_enlarged_map_always_takes_the_kernel() -> None:
    # a product cut off in floating point must not lose the last position
    for side in range(3, 32, 2):
        for height in range(1, 40):
            for width in range(1, 40):
                assert min(enlarged(Size(height, width), Size(side, side))) >= min(side, height, width)
                if min(height, width) < side:
                    assert min(enlarged(Size(height, width), Size(side, side))) == side


def test_fuses_the_static_convolution_alone() -> None:
    x = FeatureMap(13, Size(8, 9))
    torch.manual_seed(5)
    fields = {"kernel": 7, "heads": 1, "context": 5}
    module = _started(fields, x)
    spec = resolved("context_mix", fields, x)
    fused = instantiate(spec.fused(), x).double().eval()
    fused.load_state_dict(folded_state(module))
    images = torch.randn(2, *x.shape, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), module(images), rtol=1e-9, atol=1e-9)
    lost = set(module.state_dict()) - set(fused.state_dict())
    assert lost
    assert all(name.startswith("lepe.dilated_reparam.") for name in lost)


def test_starts_as_published() -> None:
    x = FeatureMap(128 + 32, Size(7, 7))
    torch.manual_seed(0)
    module = instantiate(resolved("context_mix", {"kernel": 7, "heads": 2, "context": 32}, x), x)
    for name, value in module.named_parameters():
        word = name.rpartition(".")[2]
        if name in ("small_bias", "large_bias") or word in ("bias", "gamma", "beta"):
            assert not value.any(), name
        elif value.dim() == 1:
            assert torch.equal(value, torch.ones_like(value)), name
        else:
            assert value.std().item() == pytest.approx(0.02, rel=0.15), name


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"context": 16}, "context", "leave some channels"),
        ({"context": 20}, "context", "leave some channels"),
        ({"heads": 3}, "heads", "divisible by four times"),
        ({"kernel": 6}, "kernel", "odd"),
        ({"small": Size(3, 2)}, "small", "odd"),
        ({"small": Size(9, 3)}, "small", "not be larger"),
        ({"kernel": 11}, "kernel", "published"),
        ({"branches": ((3, 4),)}, "branches", "within the large kernel"),
    ],
)
def test_refusals(fields: dict[str, object], field: str, message: str) -> None:
    x = FeatureMap(16, Size(9, 9))
    every = {"kernel": 7, "heads": 1, "context": 8, **fields}
    with pytest.raises(Refused, match=message) as refused:
        shape_at(resolved("context_mix", every, x), x)
    assert refused.value.field == field
    assert refused.value.help
