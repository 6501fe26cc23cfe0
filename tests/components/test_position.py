"""The bias by distance: which distances there are, each once, and what the network makes of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from archdsl.components.position.module import PositionBias
from archdsl.components.position.offsets import bias_linear, bias_weights, centres, distinct, offsets, rows
from archdsl.schema.units import Size
from archdsl.testing.unseen import seen
from tests.components.stirred import stirred

LENGTHS = [(1, 1), (2, 1), (5, 2), (7, 7), (7, 3), (9, 4), (10, 7), (13, 5), (56, 7), (63, 7), (96, 12), (4, 4)]


@pytest.mark.parametrize(("length", "cells"), LENGTHS)
def test_centres_are_the_means_of_the_cells(length: int, cells: int) -> None:
    means = F.adaptive_avg_pool1d(torch.arange(length, dtype=torch.float64)[None], cells)[0]
    assert [centre / 2 for centre in centres(length, cells)] == means.tolist()


@pytest.mark.parametrize(("length", "cells"), [*LENGTHS, *((length, cells) for length in (11, 12) for cells in range(1, 12))])
def test_each_distance_is_there_once(length: int, cells: int) -> None:
    found = offsets(length, cells)
    assert len(set(found.half_steps)) == len(found.half_steps) == distinct(length, cells)
    pairs = [2 * position - centre for position in range(length) for centre in centres(length, cells)]
    assert [found.half_steps[index] for index in found.which] == pairs
    assert set(pairs) == set(found.half_steps)


@pytest.mark.parametrize(
    ("side", "cells", "count"), [(56, 7, 10816), (28, 7, 2704), (14, 7, 676), (7, 7, 169), (96, 12, 33856)]
)
def test_the_published_tables_have_as_many_rows(side: int, cells: int, count: int) -> None:
    assert rows(Size(side, side), Size(cells, cells)) == count


def test_rows_are_those_of_a_list_without_repetitions() -> None:
    size, cells = Size(13, 6), Size(4, 2)
    axes = []
    for length, count in zip(size, cells, strict=True):
        mean = F.adaptive_avg_pool1d(torch.arange(length, dtype=torch.float64)[None], count)[0]
        axes.append((torch.arange(length)[:, None] - mean).flatten())
    pairs = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    assert len(torch.unique(pairs, dim=0)) == rows(size, cells)


def _bias(size: Size, cells: Size, pretrain: Size | None) -> PositionBias:
    return stirred(lambda: PositionBias(size, cells, heads=3, pretrain=pretrain))


@pytest.mark.parametrize("pretrain", [None, Size(4, 7)])
@pytest.mark.parametrize(("size", "cells"), [(Size(6, 5), Size(3, 2)), (Size(3, 4), Size(3, 4)), (Size(1, 5), Size(1, 2))])
def test_is_a_network_of_the_compressed_distance(size: Size, cells: Size, pretrain: Size | None) -> None:
    module = _bias(size, cells, pretrain)
    found = module(size, cells)
    assert found.shape == (3, size.area, cells.area)
    rulers = [max(length - 1, 1) for length in pretrain or size]
    for row in range(size.height):
        for column in range(size.width):
            for i in range(cells.height):
                for j in range(cells.width):
                    down = row - centres(size.height, cells.height)[i] / 2
                    across = column - centres(size.width, cells.width)[j] / 2
                    seen = [
                        math.copysign(math.log2(abs(8 * d / ruler) + 1) / 3, d) if d else 0.0
                        for d, ruler in zip((down, across), rulers, strict=True)
                    ]
                    hidden = (module.fc1.weight @ torch.tensor(seen, dtype=torch.float64) + module.fc1.bias).clamp(min=0)
                    expected = module.fc2.weight @ hidden + module.fc2.bias
                    torch.testing.assert_close(found[:, row * size.width + column, i * cells.width + j], expected)


def test_another_size_gives_what_a_module_of_that_size_gives() -> None:
    made, other = _bias(Size(6, 5), Size(3, 2), Size(4, 7)), _bias(Size(9, 2), Size(4, 1), Size(4, 7))
    torch.testing.assert_close(made(Size(9, 2), Size(4, 1)), other(Size(9, 2), Size(4, 1)))


@pytest.mark.parametrize("way", [("half", "float"), ("double",), ("bfloat16", "double")])
def test_tables_are_as_exact_as_the_format(way: tuple[str, ...]) -> None:
    module = PositionBias(Size(7, 5), Size(3, 2), heads=3, pretrain=None)
    for name in way:
        getattr(module, name)()
    fresh, _, _ = _bias(Size(7, 5), Size(3, 2), None)._tables(Size(7, 5), Size(3, 2))
    assert module.table.dtype == module.fc1.weight.dtype
    assert torch.equal(module.table, fresh.to(module.table.dtype))
    assert not {"table", "down", "across"} & module.state_dict().keys()


def test_tables_are_there_after_the_meta_device() -> None:
    module = PositionBias(Size(7, 5), Size(3, 2), heads=3, pretrain=None)
    table, down = module.table, module.down
    module.to("meta").to_empty(device="cpu")
    assert torch.equal(module.table, table)
    assert torch.equal(module.down, down)


def test_weights_and_cost_are_the_modules() -> None:
    size, cells = Size(7, 5), Size(3, 3)
    module = PositionBias(size, cells, heads=3, pretrain=None)
    assert bias_weights(3) == {name: tuple(value.shape) for name, value in module.state_dict().items()}

    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.position = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.position(size, cells) * x

    counted, _ = seen(Called().eval(), torch.ones(1))
    assert counted == {"linear": bias_linear(size, cells, 3)}
