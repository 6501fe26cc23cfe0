"""Images of another size: taken where every component takes them, refused in one clear sentence where one does not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
import torch

import archdsl
from archdsl.ir.digest import digest
from archdsl.ir.network import Network
from archdsl.ir.shapes import place
from archdsl.ir.unplace import unplaced
from archdsl.source.diagnostic import Report

ROUTED = """
arch small {
  input = 3x56x56
  classes = 10
  layout { residual layernorm -> token }
  stem = conv(4x4, out = 16, stride = 4)
  stage s1 { dim = 16, depth = 1, token = routing(topk = 1, regions = 7x7, head_dim = 8) }
  head = mean -> linear(classes)
}
"""


def images(*shape: int) -> torch.Tensor:
    return torch.zeros(2, *shape)


def test_a_size_that_a_component_refuses() -> None:
    model = archdsl.build(archdsl.loads(ROUTED))
    with pytest.raises(ValueError) as error:
        model(images(3, 60, 60))
    assert str(error.value) == (
        "small takes images of 3x56x56, these are 3x60x60: `routing` needs a map divisible by its 7x7 regions, and the map is "
        "15x15 here, in block 0 of `s1`; use a multiple of 28x28 as input, or set `pad = true`; the nearest inputs that fit "
        "everywhere are 56x56 and 84x84"
    )
    assert model(images(3, 84, 56)).shape == (2, 10)


def test_padded_maps_of_any_size() -> None:
    model = archdsl.build(archdsl.loads(ROUTED, set={"s1.token.pad": True}))
    assert model(images(3, 61, 59)).shape == (2, 10)


@pytest.mark.parametrize(("add", "fits"), [("gelu", True), ("class_token", False)])
def test_the_patches_of_a_map_are_a_map_of_any_size(add: str, fits: bool) -> None:
    text = ROUTED.replace("head = mean", f'head = {add} -> select("patches") -> mean')
    text = text.replace("routing(topk = 1, regions = 7x7, head_dim = 8)", "attention(heads = 2)")
    model = archdsl.build(archdsl.loads(text))
    if fits:
        assert model(images(3, 60, 68)).shape == (2, 10)
    else:
        with pytest.raises(ValueError, match=r"build it with input=\(3, 60, 68\)"):
            model(images(3, 60, 68))


@pytest.mark.parametrize("of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_refuse_as_well(of: object) -> None:
    model = of(archdsl.build(archdsl.loads(ROUTED)))  # type: ignore[operator]
    with pytest.raises(ValueError, match="these are 3x60x60"):
        model(images(3, 60, 60))


def test_other_channels() -> None:
    with pytest.raises(
        ValueError, match=r"^small takes images of 3x56x56, these are 1x56x56; build it with input=\(1, 56, 56\)$"
    ):
        archdsl.build(archdsl.loads(ROUTED))(images(1, 56, 56))


@pytest.mark.parametrize("shape", [(56, 56), (3, 56), (2, 2, 3, 56, 56)])
def test_no_batch_of_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^small takes a batch of images \[B, 3, 56, 56\], not a tensor "):
        archdsl.build(archdsl.loads(ROUTED))(torch.zeros(shape))


def test_channels_last() -> None:
    with pytest.raises(ValueError, match=r"\[2, 56, 84, 3\], channels last: permute to \[B, 3, 56, 84\] with `images.permute"):
        archdsl.build(archdsl.loads(ROUTED))(images(56, 84, 3))


@pytest.mark.parametrize("build", [archdsl.build, lambda spec: archdsl.build(spec, features=["s1"])])
def test_other_numbers_than_the_weights(build: Callable[[archdsl.Spec], torch.nn.Module]) -> None:
    model = build(archdsl.loads(ROUTED))
    with pytest.raises(TypeError, match=r"^small takes a batch of images \[B, 3, 56, 56\], not a list$"):
        model([[0.0]])
    with pytest.raises(
        TypeError, match=r"of float32, as its weights are, these are of uint8; `images.to\(torch.float32\) / 255`"
    ):
        model(images(3, 56, 56).to(torch.uint8))
    with pytest.raises(TypeError, match=r"these are of int64; `images.to\(torch.float32\)`"):
        model(images(3, 56, 56).long())
    for kind in (torch.float16, torch.float64):
        with pytest.raises(
            TypeError, match=r"convert them by `images.to\(torch.float32\)`, or the module by `.to\(torch.float"
        ):
            model(images(3, 56, 56).to(kind))
    model(images(3, 56, 56))
    model.double()(images(3, 56, 56).double())
    with pytest.raises(TypeError, match="takes images of float64"):
        model(images(3, 56, 56))
    # what computes in other numbers than it is given does so still
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.float()(images(3, 56, 56).bfloat16())


def test_programs_do_not_look() -> None:
    model = archdsl.build(archdsl.loads(ROUTED, set={"s1.token.pad": True}))
    height, batch = torch.export.Dim.AUTO, torch.export.Dim("batch", min=1)
    for strict in (False, True):
        program = torch.export.export(
            model, (images(3, 56, 56),), dynamic_shapes=({0: batch, 2: height, 3: height},), strict=strict
        )
        assert program.module()(torch.zeros(5, 3, 56, 56)).shape == (5, 10)
    assert torch.func.vmap(model)(torch.zeros(3, 2, 3, 56, 56)).shape == (3, 2, 10)
    assert torch.func.functional_call(model, dict(model.named_parameters()), (images(3, 56, 56),)).shape == (2, 10)


@pytest.mark.parametrize("name", ["@biformer_t", "@biformer_stl", "@davit_tiny"])
def test_the_arch_of_a_network_is_the_network(name: str) -> None:
    network: Network = archdsl.load(name).network
    again = place(unplaced(network, lambda part: part), Report())
    assert again is not None
    assert digest(again) == digest(network)
