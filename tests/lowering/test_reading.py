"""Weights for another number of classes or channels, for maps of another size, and of another arch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from archdsl.api import Spec, loads
from archdsl.building import build
from archdsl.lowering.checkpoint import WeightsWarning
from archdsl.lowering.keymap_reading import keymap_from_text
from archdsl.lowering.likeness import Known, likeness
from archdsl.lowering.module import lower
from archdsl.lowering.places import Places
from archdsl.lowering.reading import Other, Wanted
from archdsl.lowering.resize import given_size, resize
from archdsl.lowering.weights import Recognised, convert_weights, load_weights, official_state
from archdsl.schema.grid import Grid
from archdsl.schema.units import Size
from archdsl.source.diagnostic import Diagnostic, SpecError
from tests.lowering import tables

TEXT = tables.text("3x16x24", classes=5)
KEYS = f"{tables.KEYS}  patch.weight: o i (h w)\n"
KEYMAP = keymap_from_text(KEYS)


def spec(text: str = TEXT, **overrides: object) -> Spec:
    return loads(text, set=overrides)


def official(found: Spec, seed: int = 3) -> dict[str, Tensor]:
    return official_state(lower(found.network, seed=seed).state_dict(), KEYMAP)


def refused(found: Spec, weights: dict[str, Tensor], wanted: Wanted) -> Diagnostic:
    module = lower(found.network)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    with pytest.raises(SpecError) as caught:
        load_weights(module, weights, KEYMAP, wanted)
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("layout", ["own", "official"])
@pytest.mark.parametrize(
    ("other", "overrides", "left", "told"),
    [
        ("classes", {"classes": 7}, ("head.linear",), "the weights are for 5 classes, not 7"),
        ("channels", {"input": "1x16x24"}, ("stem.conv",), "the weights are for 3 channels, not 1"),
    ],
)
def test_what_is_wanted_otherwise_is_left_out(
    layout: str, other: Other, overrides: dict, left: tuple[str, ...], told: str
) -> None:
    weights = official(spec()) if layout == "official" else dict(lower(spec().network, seed=3).state_dict())
    found = spec(**overrides)
    module, fresh = lower(found.network, seed=1), lower(found.network, seed=1).state_dict()
    said: list[str] = []
    assert load_weights(module, weights, KEYMAP, Wanted([other], warn=said.append)) == layout
    full = lower(spec().network, seed=3).state_dict()
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, fresh[key] if key.startswith(left) else full[key]), key
    assert len(said) == 1
    name = {"head.linear": "head", "stem.conv": "patch"}[left[0]] if layout == "official" else left[0]
    assert said[0].startswith(f"left out: `{name}.weight`, `{name}.bias`; {told}, ")
    assert refused(found, weights, Wanted()).slug == "weights-mismatch"


BARE = """\
arch bare {
  input   = 3x16x24
  classes = 5
  layout {
    residual layernorm -> dwconv(3x3)
    then conv(3x3, out = 3)
  }
  stage s1 { depth = 2 }
  node near = s1 -> conv(1x1, out = 2)
  head = near -> mean -> linear(classes)
}
"""


def test_parts_that_keep_the_shape_of_the_image_do_not_read_it() -> None:
    network = loads(BARE).network
    # the norm weighs each channel by itself, and what is added to the image is not the image any more
    assert Places.of(network).entrances == {"stages.s1.0.layernorm", "stages.s1.0.dwconv"}
    found = loads(BARE, set={"input": "4x16x24"})
    with pytest.raises(SpecError, match="do not fit"):
        load_weights(lower(found.network), lower(network).state_dict(), None, Wanted(["channels"], warn=lambda _: None))


@pytest.mark.parametrize(
    ("stem", "found"),
    [
        ("gelu -> batchnorm -> conv(3x3, out = 3) -> conv(3x3, out = 3)", {"batchnorm", "conv"}),
        ("(identity + conv(3x3, out = 3)) -> conv(3x3, out = 3)", {"conv"}),
        ("concat(identity, gelu) -> conv(3x3, out = 3)", {"conv"}),
        ("split([1, 2], conv(3x3, out = 1), identity) -> conv(3x3, out = 3)", {"conv"}),
    ],
)
def test_the_image_is_followed_through_a_stem(stem: str, found: set[str]) -> None:
    text = BARE.replace("  stage s1", f"  stem = {stem}\n  stage s1")
    assert Places.of(loads(text).network).entrances == {f"stem.{name}" for name in found}


def test_nothing_else_may_differ() -> None:
    weights = official(spec())
    del weights["blocks.0.norm.bias"]
    found = refused(spec(classes=7), weights, Wanted(["classes"]))
    assert [note.message for note in found.notes][1:] == ["1 missing: blocks.0.norm.bias"]
    weights = official(spec(input="1x16x24"))
    assert "patch.weight" in refused(spec(), weights, Wanted(["classes"])).notes[1].message


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(["channels"])])
def test_another_kernel_is_not_another_number_of_channels(wanted: Wanted) -> None:
    # four times as many numbers, but not those of 12 channels
    text = TEXT.replace(" -> position_table", "")
    weights = dict(lower(loads(text.replace("conv(4x4", "conv(8x8")).network).state_dict())
    told = refused(loads(text, set={"input": "3x16x24"}), weights, wanted)
    assert "channels" not in told.message
    assert told.notes[1].message == "1 misshapen: stem.conv.weight is 4x3x8x8, not 4x3x4x4"


def test_what_fits_is_not_left_out() -> None:
    module = lower(spec().network)
    load_weights(module, official(spec()), KEYMAP, Wanted(["classes", "channels"]))
    assert torch.equal(module.head.linear.weight, official(spec())["head.weight"])


def bicubic(table: Tensor, height: int, width: int) -> Tensor:
    """Cubic convolution with a = -0.75 and half-pixel centres over two axes, position by position."""

    def weight(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.25 * x**3 - 2.25 * x**2 + 1
        return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    def along(length: int, out: int, at: int) -> list[tuple[int, float]]:
        place = (at + 0.5) * length / out - 0.5
        low = int(place // 1)
        return [(min(max(near, 0), length - 1), weight(place - near)) for near in range(low - 1, low + 3)]

    made = torch.zeros(height, width, table.shape[2], dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            for row, one in along(table.shape[0], height, i):
                for column, two in along(table.shape[1], width, j):
                    made[i, j] += one * two * table[row, column].double()
    return made


@pytest.mark.parametrize("layout", ["own", "official"])
def test_a_position_table_is_resized_when_asked(layout: str) -> None:
    small = spec()
    weights = official(small) if layout == "official" else dict(lower(small.network, seed=3).state_dict())
    name = "pos_embed" if layout == "official" else "stem.position_table.weight"
    large = loads(TEXT, at=(24, 36))
    said: list[str] = []
    module = lower(large.network)
    load_weights(module, weights, KEYMAP, Wanted(resize=True, warn=said.append))
    table = module.state_dict()["stem.position_table.weight"]
    want = bicubic(lower(small.network, seed=3).state_dict()["stem.position_table.weight"], 6, 9)
    torch.testing.assert_close(table.double(), want, atol=1e-6, rtol=1e-5)
    assert said == [f"`{name}` is resized from 4x6 to 6x9, bicubic"]
    found = refused(large, weights, Wanted())
    assert found.message == "the weights do not fit `tiny`: their position table is for 4x6, here it is for 6x9"
    assert "`--resize`" in found.help
    both = refused(loads(TEXT, at=(24, 36), set={"classes": 3}), weights, Wanted())
    assert both.message.endswith("is for 4x6, here it is for 6x9; they are for 5 classes, the module is for 3")
    assert "`--resize`" in both.help
    assert "`--classes 3`" in both.help
    assert "`--resize" not in refused(loads(TEXT, at=(24, 36), set={"classes": 3}), weights, Wanted(resize=True)).help
    assert "`--classes" in refused(loads(TEXT, at=(24, 36), set={"classes": 3}), weights, Wanted(resize=True)).help


def test_extra_tokens_keep_their_entries_and_squares_are_known() -> None:
    given = torch.randn(1, 2 + 9, 4)
    made = resize(given, Size(3, 3), (2 + 20, 4), Grid(Size(4, 5), extra=2))
    assert torch.equal(made[:2], given[0, :2])
    want = F.interpolate(given[0, 2:].T.reshape(1, 4, 3, 3), size=(4, 5), mode="bicubic")[0].flatten(1).T
    assert torch.equal(made[2:], want)
    # relative positions, all heads, in half precision
    table = torch.randn(3, 5, 5, dtype=torch.float16)
    made = resize(table, Size(5, 5), (3, 7, 7), Grid(Size(7, 7), axis=1, by="bilinear"))
    assert made.dtype == torch.float16
    want = F.interpolate(table[None].float(), size=(7, 7), mode="bilinear")[0].half()
    assert torch.equal(made, want)


@pytest.mark.parametrize(
    ("given", "own", "grid", "size"),
    [
        ((1, 196, 8), (24, 24, 8), Grid(Size(24, 24)), Size(14, 14)),
        ((1, 14, 14, 8), (24, 24, 8), Grid(Size(24, 24)), Size(14, 14)),
        ((14, 10, 8), (24, 24, 8), Grid(Size(24, 24)), Size(14, 10)),
        ((1, 96, 8), (6, 9, 8), Grid(Size(6, 9)), Size(8, 12)),
        ((1, 98, 8), (6, 9, 8), Grid(Size(6, 9)), None),
        ((1, 197, 8), (577, 8), Grid(Size(24, 24), extra=1), Size(14, 14)),
        ((1, 196, 16), (24, 24, 8), Grid(Size(24, 24)), None),
        ((1, 784, 8), (24, 24, 4), Grid(Size(24, 24)), None),
        ((8, 1, 196), (24, 24, 8), Grid(Size(24, 24)), None),
        ((0, 8), (24, 24, 8), Grid(Size(24, 24)), None),
    ],
)
def test_the_grid_of_weights_is_found_by_their_shape(given: tuple, own: tuple, grid: Grid, size: Size | None) -> None:
    assert given_size(given, own, grid, published=True) == size


@pytest.mark.parametrize(
    ("given", "own", "grid", "published", "size"),
    [
        ((1, 256, 8), (4, 16, 8), Grid(Size(4, 16)), True, Size(16, 16)),
        ((8, 32, 8), (4, 16, 8), Grid(Size(4, 16)), False, Size(8, 32)),
        ((257, 8), (65, 8), Grid(Size(4, 16), extra=1), False, Size(8, 32)),
        ((226, 8), (65, 8), Grid(Size(4, 16), extra=1), False, Size(15, 15)),
    ],
)
def test_a_square_of_positions_may_be_those_of_another_grid(
    given: tuple, own: tuple, grid: Grid, published: bool, size: Size
) -> None:
    assert given_size(given, own, grid, published=published) == size


def test_as_many_positions_of_another_grid_are_resized() -> None:
    square, wide = loads(TEXT, at=(32, 32)), loads(TEXT, at=(16, 64))
    weights = official(square)
    told = refused(wide, weights, Wanted())
    assert told.message == "the weights do not fit `tiny`: their position table is for 8x8, here it is for 4x16"
    said: list[str] = []
    module = lower(wide.network)
    load_weights(module, weights, KEYMAP, Wanted(resize=True, warn=said.append))
    assert said == ["`pos_embed` is resized from 8x8 to 4x16, bicubic"]
    want = bicubic(lower(square.network, seed=3).stem.position_table.weight.detach(), 4, 16)
    torch.testing.assert_close(module.stem.position_table.weight.detach().double(), want, atol=1e-5, rtol=0)
    # what says its grid, by its shape or as it is of this layout, is taken as it is
    load_weights(module, {**weights, "pos_embed": torch.ones(1, 4, 16, 4)}, KEYMAP)
    assert module.stem.position_table.weight.unique().tolist() == [1]
    load_weights(module, lower(wide.network).state_dict(), KEYMAP)


def test_tables_without_positions_or_with_too_many_are_refused() -> None:
    large = loads(TEXT, at=(24, 36))
    weights = dict(lower(large.network).state_dict())
    # the second one holds four numbers
    for table in (torch.zeros(0, 6, 4), torch.zeros(4).expand(100_000, 100_000, 4), torch.zeros(4).expand(10_000_000_000, 4)):
        weights["stem.position_table.weight"] = table
        assert refused(large, weights, Wanted(resize=True)).slug == "weights-mismatch"


def test_whose_weights_they_are() -> None:
    narrow = {f"blocks.{i}.weight": (4, 4) for i in range(10)}
    wide = dict.fromkeys(narrow, (8, 8))
    deep = {f"blocks.{i}.weight": (4, 4) for i in range(14)}
    other = {f"stages.{i}.w": (4, 4) for i in range(10)}
    known = [Known("narrow", "official", narrow), Known("wide", "official", wide), Known("deep", "own", deep)]
    assert str(likeness(wide, known)) == "they are those of `wide`, in the official layout"
    assert likeness({**wide, "bn.num_batches_tracked": ()}, known).exact
    found = likeness({**wide, "blocks.0.weight": (8, 4)}, known)
    assert str(found) == "they have the names of `wide` in the official layout, and 1 tensors of other shapes"
    found = likeness(dict(list(deep.items())[:13]), known)
    assert str(found) == "they look like `deep` in archdsl's layout: 93% of the names are common"
    assert likeness(other, known) is None
    assert likeness({}, known) is None


def test_an_error_tells_whose_weights_are_given() -> None:
    far = spec(TEXT.replace("arch tiny", "arch far").replace("-> position_table", ""))
    known = [
        Known(found.name, "own", {key: tuple(t.shape) for key, t in lower(found.network).state_dict().items()})
        for found in (spec(), far)
    ]
    found = refused(spec(), dict(lower(far.network).state_dict()), Wanted(known=lambda: known))
    assert found.message == "the weights do not fit `tiny`: they are those of `far`, in archdsl's layout"
    assert found.help == "give the weights of `tiny`, or take `@far`"
    assert found.notes[1].message.startswith("1 missing: stem.position_table.weight")
    weights = lower(loads(TEXT, set={"s1.depth": 2}).network).state_dict()
    found = refused(spec(), {**weights, "x": torch.zeros(1)}, Wanted(known=lambda: known))
    assert "the checkpoint has 2 blocks in s1, the arch 1" in found.message
    found = refused(loads(TEXT, set={"s1.depth": 2}), lower(spec().network).state_dict(), Wanted(known=lambda: known))
    assert found.message.startswith(
        "the weights do not fit `tiny`: they fit `tiny` as it stands, without what was overridden; "
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_conversion_goes_both_ways_with_every_kind_of_number(suffix: str, tmp_path: Path) -> None:
    weights = {name: tensor.half() for name, tensor in official(spec()).items()}
    network = spec().network
    own, back = tmp_path / f"own{suffix}", tmp_path / f"back{suffix}"
    assert convert_weights(network, weights, own, layout="own", keymap=KEYMAP)[0].layout == "official"
    found = Recognised("own", len(lower(network).state_dict()))
    assert convert_weights(network, own, back, layout="official", keymap=KEYMAP) == (found, len(weights))
    again = load_file(back) if suffix == ".safetensors" else torch.load(back, weights_only=True)
    assert again.keys() == weights.keys()
    for name, tensor in again.items():
        assert tensor.dtype == torch.float16
        assert torch.equal(tensor, weights[name]), name
    with pytest.raises(ValueError, match="needs a key map"):
        convert_weights(network, own, back, layout="official")


def test_what_is_left_out_is_written_with_its_initial_values(tmp_path: Path) -> None:
    network = spec(classes=7).network
    said: list[str] = []
    convert_weights(
        network,
        official(spec()),
        tmp_path / "w.safetensors",
        layout="own",
        keymap=KEYMAP,
        wanted=Wanted(["classes"], warn=said.append),
    )
    made = load_file(tmp_path / "w.safetensors")
    assert torch.equal(made["head.linear.weight"], lower(network).state_dict()["head.linear.weight"])
    assert torch.equal(made["stem.conv.bias"], official(spec())["patch.bias"])
    assert len(said) == 1


def test_the_python_api_leaves_out_and_resizes(tmp_path: Path) -> None:
    path = tmp_path / "tiny.arch"
    path.write_text(TEXT)
    (tmp_path / "tiny.keys.yaml").write_text(KEYS)
    weights = official(spec())
    with pytest.warns(WeightsWarning, match="left out: `head.weight`, `head.bias`"):
        assert build(path, weights=weights, classes=3).num_classes == 3
    with pytest.warns(WeightsWarning, match="left out: `patch.weight`"):
        build(path, weights=weights, input=(4, 16, 24))
    with pytest.warns(WeightsWarning, match="resized from 4x6 to 8x12"):
        build(path, weights=weights, at=(32, 48), resize=True)
    with pytest.raises(SpecError, match="position table"):
        build(path, weights=weights, at=(32, 48))
