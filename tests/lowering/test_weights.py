from __future__ import annotations

import argparse
import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from archdsl.lowering.build import build_module
from archdsl.lowering.checkpoint import WeightsWarning, read_weights
from archdsl.lowering.keymap import KeyMap
from archdsl.lowering.keymap_reading import keymap_from_text
from archdsl.lowering.module import Backbone, lower
from archdsl.lowering.reading import Layout, Wanted
from archdsl.lowering.weights import load_weights, official_state, save_weights
from archdsl.source.diagnostic import Diagnostic, SpecError
from tests.lowering import networks

NETWORK = networks.small()
KEYS = """
keys:
  patch.0: stem.conv
  patch.1: stem.batchnorm
  patch.2: stem.conv_2
  patch.3: stem.batchnorm_2
  merge.{i}.0: stages.s{i+2}.down.conv
  merge.{i}.1: stages.s{i+2}.down.batchnorm
  layers.{i}.{j}.pos: stages.s{i+1}.{j}.dwconv
  layers.{i}.{j}.n1: stages.s{i+1}.{j}.layernorm
  layers.{i}.{j}.attn: stages.s{i+1}.{j}.token
  layers.{i}.{j}.n2: stages.s{i+1}.{j}.layernorm_2
  layers.{i}.{j}.mlp.{k=1..2}: stages.s{i+1}.{j}.channel.fc{k}
  norm: head.batchnorm
  head: head.linear
"""


@pytest.fixture(scope="module")
def keymap() -> KeyMap:
    return keymap_from_text(KEYS)


@pytest.fixture(scope="module")
def module() -> Backbone:
    made = lower(NETWORK, seed=3).eval()
    made.stem.batchnorm.num_batches_tracked.fill_(7)
    return made


@pytest.fixture
def official(module: Backbone, keymap: KeyMap) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in official_state(module.state_dict(), keymap).items()}


def equal(one: Backbone, two: Backbone) -> bool:
    states = one.state_dict(), two.state_dict()
    return list(states[0]) == list(states[1]) and all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def refused(weights: object, keymap: KeyMap | None = None, network: networks.Network = NETWORK) -> Diagnostic:
    target = lower(network)
    before = copy.deepcopy(target)
    with pytest.raises(SpecError) as caught:
        load_weights(target, weights, keymap)
    assert equal(target, before), "a failed load must change nothing"
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("layout", ["own", "official"])
def test_what_is_saved_loads_to_the_same_bits(module: Backbone, keymap: KeyMap, layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(module, path, layout=layout, keymap=keymap)
    again = lower(NETWORK)
    assert load_weights(again, path, keymap) == layout
    assert equal(again, module)
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]
    assert ("patch.0.weight" in load_file(path)) == (layout == "official")


OTHERWISE = (
    KEYS.replace("  layers.{i}.{j}.attn: stages.s{i+1}.{j}.token\n", "")
    + """\
  layers.{i}.{j}.attn.q: stages.s{i+1}.{j}.token.qkv[0/3]
  layers.{i}.{j}.attn.k: stages.s{i+1}.{j}.token.qkv[1/3]
  layers.{i}.{j}.attn.v: stages.s{i+1}.{j}.token.qkv[2/3]
  layers.{i}.{j}.attn.out: stages.s{i+1}.{j}.token.proj
  layers.{i}.{j}.attn.lepe: stages.s{i+1}.{j}.token.lepe
shapes:
  head.weight: o i 1 1
  layers.{i}.{j}.attn.v.weight: 1 o i
  layers.{i}.{j}.pos.weight: (o i) h w
ignore:
  - layers.{i}.{j}.attn.index
counters: none
"""
)


def test_tensors_in_other_shapes_and_in_pieces_go_both_ways(module: Backbone, tmp_path: Path) -> None:
    keymap = keymap_from_text(OTHERWISE)
    own = module.state_dict()
    official = official_state(own, keymap)
    qkv = own["stages.s1.0.token.qkv.weight"]
    assert official["head.weight"].shape == (*own["head.linear.weight"].shape, 1, 1)
    assert torch.equal(official["layers.0.0.attn.q.weight"], qkv[: len(qkv) // 3])
    assert torch.equal(official["layers.0.0.attn.v.weight"], qkv[-(len(qkv) // 3) :][None])
    assert not any(name.endswith("num_batches_tracked") for name in official)
    save_weights(module, tmp_path / "w.safetensors", layout="official", keymap=keymap)
    given = load_file(tmp_path / "w.safetensors")
    assert {name: tensor.shape for name, tensor in given.items()} == {name: t.shape for name, t in official.items()}
    given |= {"layers.0.0.attn.index": torch.zeros(3), "patch.1.num_batches_tracked": torch.tensor(7)}
    again = lower(NETWORK)
    assert load_weights(again, given, keymap) == "official"
    assert equal(again, module)


def test_what_is_no_view_of_a_tensor_is_refused(module: Backbone) -> None:
    keymap = keymap_from_text(OTHERWISE)
    official = official_state(module.state_dict(), keymap)
    official["head.weight"] = official["head.weight"].mT.reshape(32, 10)
    del official["layers.0.1.attn.k.weight"]
    notes = [note.message for note in refused(official, keymap).notes]
    assert notes[1:] == ["1 missing: layers.0.1.attn.k.weight", "1 misshapen: head.weight is 32x10, not 10x32"]


def test_counters_may_be_missing(module: Backbone, official: dict, keymap: KeyMap) -> None:
    for state, names in ((module.state_dict(), None), (official, keymap)):
        counters = {key for key in state if key.endswith("num_batches_tracked")}
        assert counters
        again = copy.deepcopy(module)
        load_weights(again, {key: tensor for key, tensor in state.items() if key not in counters}, names)
        assert again.stem.batchnorm.num_batches_tracked == 0
        assert torch.equal(again.stem.batchnorm.running_var, module.stem.batchnorm.running_var)


def test_a_module_in_channels_last_saves_the_same_file(module: Backbone, tmp_path: Path) -> None:
    save_weights(module, tmp_path / "a.safetensors")
    save_weights(copy.deepcopy(module).to(memory_format=torch.channels_last), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3, "args": argparse.Namespace(lr=0.1)},
        lambda state: {"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}},
        lambda state: {"model": {"state_dict": {f"module._orig_mod.{key}": tensor for key, tensor in state.items()}}},
    ],
    ids=["bare", "model", "parallel", "nested"],
)
def test_wrappers_are_taken_off(wrap, module: Backbone, keymap: KeyMap, official: dict, tmp_path: Path) -> None:
    torch.save(wrap(official), tmp_path / "checkpoint.pth")
    for weights in (wrap(official), tmp_path / "checkpoint.pth", str(tmp_path / "checkpoint.pth")):
        assert equal(build_module(NETWORK, weights=weights, keymap=keymap), module)


def test_other_kinds_of_numbers_are_converted(module: Backbone, official: dict, keymap: KeyMap) -> None:
    wide = {key: value.double() if value.is_floating_point() else value for key, value in official.items()}
    assert equal(build_module(NETWORK, weights=wide, keymap=keymap), module)


def test_a_module_is_ready_to_use(module: Backbone) -> None:
    made = build_module(NETWORK, seed=3)
    assert not made.training
    assert torch.equal(made.head.linear.weight, module.head.linear.weight)


def test_a_mismatch_lists_everything_in_the_layout_of_the_user(official: dict, keymap: KeyMap) -> None:
    del official["patch.0.weight"]
    official["head.extra"] = torch.zeros(1)
    official["norm.weight"] = torch.zeros(5)
    official["norm.num_batches_tracked"] = torch.zeros(())
    found = refused(official, keymap)
    assert found.slug == "weights-mismatch"
    assert found.message == "the weights do not fit `small`"
    assert [note.message for note in found.notes] == [
        "read in the official layout, as the key map has more of its names than the state_dict: 74 of the 75 names fit",
        "1 missing: patch.0.weight",
        "1 unexpected: head.extra",
        "2 misshapen: norm.weight is 5, not 32, norm.num_batches_tracked is one number, not one number of int64",
    ]


def test_long_lists_are_cut_and_counted(module: Backbone) -> None:
    found = refused({f"x.{i}": torch.zeros(1) for i in range(12)})
    assert found.message.endswith("they share no name")
    layout, missing, unexpected = (note.message for note in found.notes)
    assert layout == "read in archdsl's own layout, as no key map is known for this arch: 0 of the 12 names fit"
    count = sum(not name.endswith("num_batches_tracked") for name in module.state_dict())
    assert missing.startswith(f"{count} missing: stem.conv.weight, ")
    assert missing.endswith(f" ... {count - 10} more")
    assert unexpected == "12 unexpected: " + ", ".join(f"x.{i}" for i in range(10)) + " ... 2 more"


def test_another_number_of_classes_is_told_as_that(module: Backbone) -> None:
    found = refused(module.state_dict(), network=networks.small(classes=4))
    assert found.message.endswith("they are for 10 classes, the module is for 4")
    assert found.notes[1].message == "2 misshapen: head.linear.weight is 10x32, not 4x32, head.linear.bias is 10, not 4"
    assert found.help == (
        "with `--classes 4` the head is left out and the rest is loaded; "
        "or build it for 10 classes, then call `reset_classifier(4)`"
    )


def test_a_key_map_that_does_not_fit_matters_to_the_official_layout_only(module: Backbone, official: dict) -> None:
    other = keymap_from_text("keys:\n  a: b\n")
    assert equal(build_module(NETWORK, weights=module.state_dict(), keymap=other), module)
    assert refused({"stem.conv.weight": torch.zeros(1)}, other).slug == "weights-mismatch"
    assert refused(official, other).slug == "key-map-mismatch"


@pytest.mark.parametrize("layout", ["own", "official"])
@pytest.mark.parametrize("deeper", [True, False])
def test_another_depth_is_told_as_that(layout: str, deeper: bool, module: Backbone, keymap: KeyMap) -> None:
    own = module.state_dict()
    state = official_state(own, keymap) if layout == "official" else own
    names = dict(zip(own, state, strict=True))
    last = {name for key, name in names.items() if key.startswith("stages.s1.1.")}
    assert last
    if deeper:
        old, new = (".1.", ".2.") if layout == "own" else ("layers.0.1.", "layers.0.2.")
        state |= {name.replace(old, new, 1): state[name] for name in last}
    else:
        state = {name: tensor for name, tensor in state.items() if name not in last}
    found = refused(state, keymap)
    blocks = "3 blocks" if deeper else "1 block"
    assert found.message == f"the weights do not fit `small`: the checkpoint has {blocks} in s1, the arch 2"


def test_another_width_is_told_as_that() -> None:
    from archdsl.api import load

    narrow = lower(load("@biformer_t", set={"width": 32, "s1.depth": 1, "s2.depth": 1, "s3.depth": 1, "s4.depth": 1}).network)
    small = load("@biformer_t", set={"s1.depth": 1, "s2.depth": 1, "s3.depth": 1, "s4.depth": 1}).network
    found = refused(narrow.state_dict(), network=small)
    assert "every shape that differs is 16 there and 32 here, or in that ratio: another width?" in found.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float, module: Backbone) -> None:
    state = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    state["stem.conv.weight"][0, 0, 0, 0] = value
    found = refused(state)
    assert found.slug == "unreadable-weights"
    count = state["stem.conv.weight"].numel()
    assert f"not finite: stem.conv.weight in 1 of {count} numbers" in found.message


@pytest.mark.parametrize("name", ["model_ema", "state_dict_ema", "module"])
def test_of_several_sets_of_weights_it_is_said_which_is_taken(name: str, module: Backbone) -> None:
    state = module.state_dict()
    other = {key: torch.zeros_like(tensor) for key, tensor in state.items()}
    checkpoint = {name: other, "model": state, "optimizer": {"state": {0: {"step": torch.zeros(())}}, "param_groups": []}}
    said: list[str] = []
    again = lower(NETWORK)
    load_weights(again, checkpoint, wanted=Wanted(warn=said.append))
    assert equal(again, module)
    assert said == [f"the state dict holds several sets of weights: `model` is taken, `{name}` left aside"]
    with pytest.warns(WeightsWarning, match="`model` is taken"):
        load_weights(again, checkpoint)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Danger:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "touched",)

    torch.save({"model": Danger()}, tmp_path / "bad.pth")
    found = refused(tmp_path / "bad.pth")
    assert found.slug == "unreadable-weights"
    assert "could run code" in found.message
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("name", "content", "slug"),
    [
        ("bad.pth", b"\x80\x02garbage", "unreadable-weights"),
        ("empty.pt", b"", "unreadable-weights"),
        ("text.pth", b"hello\nworld", "unreadable-weights"),
        ("bad.safetensors", b"\xff" * 64, "unreadable-weights"),
        ("pyr.arch", b"arch pyr {\n}\n", "unreadable-weights"),
        ("cut.pth", b"PK\x03\x04", "unreadable-weights"),
        ("none.pth", None, "unreadable-file"),
    ],
)
def test_what_is_no_checkpoint_is_refused(name: str, content: bytes | None, slug: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = refused(tmp_path / name)
    assert found.slug == slug
    assert "garbage" not in found.message
    assert "Error" not in found.message
    if slug == "unreadable-weights":
        assert "is no checkpoint" in found.message


def test_wrappers_that_hold_themselves_come_to_an_end(module: Backbone, tmp_path: Path) -> None:
    around: dict[str, object] = {}
    around["model"] = around
    torch.save({"model": module.state_dict(), "ema": around}, tmp_path / "around.pth")
    assert equal(build_module(NETWORK, weights=tmp_path / "around.pth"), module)
    assert "`model` is dict" in refused(around).message
    doubled: dict[str, object] = {}
    for _ in range(30):
        doubled = dict.fromkeys(("state_dict", "model", "model_state_dict", "module"), doubled)
    assert equal(build_module(NETWORK, weights={"model": module.state_dict(), "ema": doubled}), module)


def test_tensors_of_every_kind_are_read_or_refused(module: Backbone) -> None:
    state = module.state_dict()
    small = {name: tensor.to(torch.float8_e4m3fn) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    made = build_module(NETWORK, weights=small).state_dict()
    assert all(torch.equal(tensor, small[name].to(tensor.dtype)) for name, tensor in made.items())
    small["head.linear.bias"] = torch.full_like(small["head.linear.bias"].float(), torch.nan).to(torch.float8_e4m3fn)
    assert "not finite" in refused(small).message
    for odd in (
        torch.nested.nested_tensor([torch.zeros(2)], layout=torch.jagged),
        torch.eye(3).to_sparse(),
        torch.empty(2, device="meta"),
    ):
        told = refused({**state, "head.linear.bias": odd})
        assert told.slug == "unreadable-weights"
        assert "`head.linear.bias` is sparse, nested, packed or without numbers" in told.message


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    assert "no state dict but list" in refused(tmp_path / "list.pth").message
    assert "`a` is int" in refused({"a": 3}).message
    assert "a name is no text" in refused({1: torch.zeros(1)}).message
    assert "`a` is sparse" in refused({"a": torch.zeros(2, 2).to_sparse()}).message
    assert refused(tmp_path).slug == "unreadable-file"


def test_names_of_a_stranger_are_shown_harmlessly() -> None:
    found = SpecError([refused({"a\x1b[31m\u202e" + "b" * 500: torch.zeros(1)})])
    text = str(found)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "b" * 101 not in text


def test_names_with_line_breaks_stay_on_one_line(module: Backbone) -> None:
    found = refused({"a\nb\tc": torch.zeros(1)})
    assert found.notes[-1].message == "1 unexpected: aU+000AbU+0009c"
    assert "`aU+000Ab` is str" in refused({"a\nb": "text"}).message


@pytest.mark.parametrize(
    ("error", "slug", "said"),
    [
        (PermissionError(13, "Permission denied"), "unreadable-file", "`w.pth` cannot be read: permission denied"),
        (OSError("odd"), "unreadable-file", "`w.pth` cannot be read: the system does not say why"),
        (MemoryError(), "out-of-memory", "`w.pth` takes more memory than is free"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: ..."), "out-of-memory", "`w.pth` takes more memory than is free"),
        (RuntimeError("odd"), "unreadable-weights", "`w.pth` is no checkpoint, or a damaged one"),
    ],
)
def test_what_the_machine_refuses_is_no_damage(
    error: Exception, slug: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*args: object, **named: object) -> None:
        raise error

    monkeypatch.chdir(tmp_path)
    torch.save({}, "w.pth")
    monkeypatch.setattr(torch, "load", load)
    found = refused("w.pth")
    assert (found.slug, found.message) == (slug, said)
    assert found.help


def test_a_warning_is_of_the_line_that_asked(module: Backbone) -> None:
    other = {"model": module.state_dict(), "ema": module.state_dict()}
    with pytest.warns(WeightsWarning) as warned:
        build_module(NETWORK, weights=other)
    assert [warning.filename for warning in warned] == [__file__]


def test_safetensors_in_half_precision(module: Backbone, tmp_path: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in module.state_dict().items()}
    save_file(half, tmp_path / "half.safetensors")
    assert read_weights(tmp_path / "half.safetensors")["stem.conv.weight"].dtype == torch.float16
    made = build_module(NETWORK, weights=tmp_path / "half.safetensors")
    assert made.stem.conv.weight.dtype == torch.float32
    torch.testing.assert_close(made.stem.conv.weight, module.stem.conv.weight, atol=1e-3, rtol=1e-3)
