"""What published training procedures do inside a network, beside its loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archdsl.lowering.module import Backbone


@dataclass(frozen=True, slots=True)
class Box:
    """Rows from `top` to `bottom` and columns from `left` to `right` of a grid, ends left out."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)

    def times(self, factor: int) -> Box:
        """The same box on a grid that is finer by a factor."""
        return Box(self.top * factor, self.left * factor, self.bottom * factor, self.right * factor)


@dataclass(frozen=True, slots=True)
class Mixed:
    """Outputs for images of which a box was taken from other images of the batch.

    `outputs` has the heads by name. Those of single positions are put back: each position of an image is predicted from that
    image. `own` is the share of an image that is its own; the rest is that of the image as far from the end of the batch
    as this one is from its beginning. So a loss of the whole image is `own * loss(y) + (1 - own) * loss(y.flip(0))`.
    """

    outputs: dict[str, Tensor]
    box: Box
    own: float


def mix_tokens(
    model: Backbone, images: Tensor, *, patches: str = "aux", beta: float = 1.0, generator: torch.Generator | None = None
) -> Mixed:
    """A forward pass in training in which a box of the stem's map is exchanged between the images of a batch.

    Yuan et al., VOLO, TPAMI 2022 (after Jiang et al., All Tokens Matter, NeurIPS 2021). The box is drawn on the grid of the
    head `patches`, a class of each position: its sides are sqrt(1 - x) of the grid's, with x from a beta distribution, around
    a centre drawn evenly, cut off at the border.

    Parameters
    ----------
    images: [B, C, H, W].
    patches: the head that predicts every position, [B, classes, H', W'].
    beta: both parameters of the beta distribution; 1 as published.
    generator: draws the box; torch's own if None.

    Raises
    ------
    ValueError: the model is not in training, or `patches` is no head that makes a map, or the stem's map is not finer by a
        whole factor.
    """
    if not model.training or patches not in model.heads or len(model.heads) < 2:
        raise ValueError(f"`mix_tokens` takes a model in training with a head `{patches}` beside others")
    drawn: list[tuple[Box, int, tuple[int, int]]] = []

    def exchange(stem: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
        factor, grid = _coarser(model, found, images)
        box = draw_box(grid, beta=beta, generator=generator)
        drawn.append((box, factor, grid))
        return _exchanged(found, box.times(factor))

    hook = model.stem.register_forward_hook(exchange)
    try:
        outputs = model(images)
    finally:
        hook.remove()
    ((box, _, grid),) = drawn
    if outputs[patches].shape[2:] != grid:
        raise ValueError(
            f"head `{patches}` of {model.name} makes {list(outputs[patches].shape[2:])}, not a map of {list(grid)}"
        )
    put_back = {**outputs, patches: _exchanged(outputs[patches], box)}
    return Mixed(put_back, box, 1 - box.area / (grid[0] * grid[1]))


def draw_box(grid: tuple[int, int], *, beta: float = 1.0, generator: torch.Generator | None = None) -> Box:
    """A box on a grid of `grid` positions, with sides of sqrt(1 - x) of the grid's around a centre drawn evenly."""
    share = _beta(beta, generator)
    ends = []
    for side in grid:
        half = int((1 - share) ** 0.5 * side) // 2
        centre = int(torch.randint(side, (), generator=generator))
        ends.append((max(0, centre - half), min(side, centre + half)))
    (top, bottom), (left, right) = ends
    return Box(top, left, bottom, right)


def _beta(parameter: float, generator: torch.Generator | None) -> float:
    """A number of the beta distribution with both parameters equal, made of two of the gamma distribution."""
    one, two = torch._standard_gamma(torch.full((2,), float(parameter), dtype=torch.float64), generator=generator).tolist()
    return one / (one + two)


def _coarser(model: Backbone, found: Tensor, images: Tensor) -> tuple[int, tuple[int, int]]:
    """By what factor the last stage is coarser than the stem, and its grid."""
    reduction = model.feature_info[-1].reduction
    height, width = found.shape[2:] if found.ndim == 4 else (0, 0)
    factor = reduction * height // images.shape[2] if reduction else 0
    if not factor or reduction * height % images.shape[2]:
        raise ValueError(f"the stem of {model.name} makes no map that is finer by a whole factor than its last stage")
    return factor, (height // factor, width // factor)


def _exchanged(x: Tensor, box: Box) -> Tensor:
    """A batch in which the box comes from the images in reverse order."""
    y = x.clone()
    y[..., box.top : box.bottom, box.left : box.right] = x.flip(0)[..., box.top : box.bottom, box.left : box.right]
    return y
