"""The nearest inputs that fit, where one does not."""

from __future__ import annotations

import pytest

from archdsl import SpecError, api
from archdsl.ir.fitting import fitting_inputs
from archdsl.schema.units import Size


@pytest.mark.parametrize(
    ("size", "tall", "wide", "found"),
    [
        ((100, 100), 256, 256, [(256, 256)]),
        ((300, 300), 256, 256, [(256, 256), (512, 512)]),
        ((230, 250), 32, 2, [(224, 250), (256, 250)]),
        ((250, 230), 1, 56, [(250, 224), (250, 280)]),
        ((30, 300), 28, 28, [(28, 280), (56, 308)]),
        ((500, 40), 48, 20, [(480, 40), (528, 40)]),
        ((10, 10), 1792, 4, []),
    ],
)
def test_height_and_width_are_looked_for_apart(size: tuple[int, int], tall: int, wide: int, found: list[object]) -> None:
    assert fitting_inputs(Size(*size), lambda s: s.height % tall == 0 and s.width % wide == 0) == found


def test_it_ends_where_no_work_is_left() -> None:
    trials: list[Size] = []

    def fits(size: Size) -> bool:
        trials.append(size)
        return len(trials) < 9 and size.height % 64 == size.width % 64 == 0

    assert all(near.height % 64 == near.width % 64 == 0 for near in fitting_inputs(Size(100, 100), fits))
    trials.clear()
    assert fitting_inputs(Size(10, 10), lambda size: trials.append(size) is not None) == []
    assert len(trials) <= 10


@pytest.mark.parametrize(
    ("name", "at", "help"),
    [
        (
            "halonet_h1",
            (100, 100),
            "use a multiple of 32x32 as input, or choose a `block` that divides 25x25; the nearest input",
        ),
        ("halonet_h1", (100, 100), "the nearest input that fits everywhere is 256x256"),
        ("halonet_h1", (230, 250), "the nearest input that fits everywhere is 256x256"),
        ("halonet_h0", (64, 96), "the nearest input that fits everywhere is 256x256"),
        ("halonet_h0", (250, 190), "the nearest input that fits everywhere is 256x256"),
        ("halonet_h0", (300, 600), "the nearest inputs that fit everywhere are 256x512 and 512x768"),
        ("halonet26t", (230, 250), "use a multiple of 128x128 as input"),
        ("halonet26t", (230, 250), "the nearest input that fits everywhere is 244x250"),
        ("care_s0", (16, 16), "use a larger input, or a smaller `kernel`; the nearest input that fits everywhere is 32x32"),
        ("spartan_t", (16, 300), "the nearest input that fits everywhere is 32x300"),
    ],
)
def test_specs_name_them(name: str, at: tuple[int, int], help: str) -> None:
    with pytest.raises(SpecError) as caught:
        api.load(f"@{name}", at=at)
    (found,) = caught.value.diagnostics
    assert help in found.help
    assert any("comes from the input" in note.message for note in found.notes)
