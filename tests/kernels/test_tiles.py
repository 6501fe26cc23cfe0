"""How float32 is multiplied by kernels is what torch is told, in all the ways in which it can be told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from archdsl.kernels.tiles import precision, tile, tiles


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.backends.fp32_precision = "none"


def test_float32_is_not_rounded_unasked() -> None:
    assert precision(torch.float32) == "ieee"


@pytest.mark.parametrize("said", ["tf32", "ieee"])
def test_the_setting_of_products_counts(said: str) -> None:
    torch.backends.cuda.matmul.fp32_precision = said
    assert precision(torch.float32) == said
    assert precision(torch.bfloat16) == "ieee"


def test_the_setting_of_everything_counts() -> None:
    torch.backends.fp32_precision = "tf32"
    assert precision(torch.float32) == "tf32"


@pytest.mark.parametrize(("said", "found"), [("high", "tf32"), ("highest", "ieee")])
def test_the_older_setting_counts(said: str, found: str) -> None:
    torch.set_float32_matmul_precision(said)
    assert precision(torch.float32) == found


@pytest.mark.parametrize(("size", "side"), [(1, 16), (16, 16), (17, 32), (48, 64), (64, 64)])
def test_a_tile_is_a_power_of_two(size: int, side: int) -> None:
    assert tile(size) == side
    assert tile(size, least=1) >= size
    assert tiles(size, side) == 1
