from __future__ import annotations

import itertools

import pytest

from archdsl.lowering.axes import BadAxes, read_axes, same_order


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ((4, 3, 1, 1), (4, 3), True),
        ((1, 4, 1, 1), (4,), True),
        ((1, 1), (), True),
        ((1, 14, 14, 384), (196, 384), True),
        ((1, 196, 384), (14, 14, 384), True),
        ((2, 3, 4), (24,), True),
        ((2, 3, 4), (6, 4), True),
        ((2, 3, 4), (2, 12), True),
        ((4, 3), (3, 4), False),
        ((2, 6), (4, 3), False),
        ((2, 12), (6, 4), False),
        ((2, 3), (2, 3, 4), False),
        ((2, 3, 4), (2, 8), False),
        ((4,), (), False),
        ((0, 3), (0,), False),
        ((0, 1), (0,), True),
    ],
)
def test_two_shapes_of_one_tensor(one: tuple[int, ...], two: tuple[int, ...], same: bool) -> None:
    assert same_order(one, two) is same
    assert same_order(two, one) is same


def test_it_is_what_ones_and_merging_make_of_a_shape() -> None:
    def merged(shape: tuple[int, ...]) -> set[tuple[int, ...]]:
        if len(shape) < 2:
            return {shape}
        first, second, *rest = shape
        return {(first, *tail) for tail in merged((second, *rest))} | merged((first * second, *rest))

    shapes = [shape for rank in range(4) for shape in itertools.product((1, 2, 3, 4, 6), repeat=rank)]
    plain = {shape: tuple(length for length in shape if length != 1) for shape in shapes}
    coarser = {shape: {tuple(n for n in made if n != 1) for made in merged(plain[shape])} for shape in shapes}
    for one, two in itertools.product(shapes, repeat=2):
        assert same_order(one, two) is (plain[one] in coarser[two] or plain[two] in coarser[one])


def test_axes_are_read() -> None:
    assert read_axes("o i 1 1").of((8, 4)) == (8, 4, 1, 1)
    assert read_axes("1 (h w) c").of((7, 5, 3)) == (1, 35, 3)
    assert read_axes("(a b c)").rank == 3
    assert read_axes("1").of(()) == (1,)
    for text in ("", "o  i", "(h w", "o i 2", "O", "1 * c", "(1 h)", "o i o"):
        with pytest.raises(BadAxes):
            read_axes(text)
