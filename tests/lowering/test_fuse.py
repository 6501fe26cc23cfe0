"""The deploy form of modules: trained ones fused, weights of either form, and builds of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import archdsl
from archdsl.cli.main import main
from archdsl.lowering.fuse import folded_weights
from archdsl.lowering.module import Backbone
from archdsl.lowering.reading import Wanted
from archdsl.lowering.weights import convert_weights
from archdsl.source.diagnostic import SpecError
from tests.ir.test_fuse import BRANCHED


def _trained(seed: int = 0) -> Backbone:
    """A module in training form whose norms have seen something."""
    torch.manual_seed(seed)
    module = archdsl.build(archdsl.loads(BRANCHED), seed=seed).train()
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.dim() == 1:
                weight.add_(0.3 * torch.randn_like(weight))
            elif name.endswith("_bias"):
                weight.normal_()
        for _ in range(3):
            module(torch.randn(8, 3, 32, 32))
    return module


def test_a_trained_module_computes_the_same_when_fused() -> None:
    module = _trained().double()
    fused = archdsl.fuse(module)
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), module.eval()(images), rtol=1e-9, atol=1e-9)
    assert sum(p.numel() for p in fused.parameters()) == archdsl.count(archdsl.loads(BRANCHED), fuse=True).params
    assert list(fused.state_dict()) == list(archdsl.build(archdsl.loads(BRANCHED), fuse=True).state_dict())
    assert next(fused.parameters()).dtype == torch.float64
    assert not fused.training


def test_fusing_leaves_the_module_as_it_was() -> None:
    module = _trained()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    fused = archdsl.fuse(module)
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    with torch.no_grad():
        for weight in fused.parameters():
            weight.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    again = archdsl.fuse(fused)
    assert list(again.state_dict()) == list(fused.state_dict())


def test_what_is_frozen_stays_frozen() -> None:
    module = _trained()
    for name, weight in module.named_parameters():
        weight.requires_grad_(name.startswith("head."))
    assert {name for name, weight in archdsl.fuse(module).named_parameters() if weight.requires_grad} == {
        name for name in module.state_dict() if name.startswith("head.")
    }
    assert all(weight.requires_grad for weight in archdsl.fuse(_trained()).parameters())


def test_what_is_not_folded_keeps_its_kind_of_numbers(tmp_path: Path) -> None:
    module = _trained()
    spec = archdsl.loads(BRANCHED, fuse=True)
    given = {name: t.double() if t.is_floating_point() else t for name, t in module.state_dict().items()}
    convert_weights(spec.network, given, tmp_path / "w.safetensors", layout="own")
    found, want = load_file(tmp_path / "w.safetensors"), archdsl.fuse(module).state_dict()
    assert found.keys() == want.keys()
    for name, tensor in found.items():
        as_given = name in given and torch.equal(want[name], given[name].to(want[name].dtype))
        assert tensor.dtype == (given[name].dtype if as_given else torch.float32), name
        torch.testing.assert_close(tensor.to(want[name].dtype), want[name])
    folded = folded_weights(spec.network, given, None, Wanted())
    assert folded.layout == "own"
    assert folded_weights(spec.network, folded.weights, None, Wanted()).layout is None
    assert any(tensor.dtype == torch.float32 for tensor in found.values())


def test_another_classifier_stays() -> None:
    module = _trained()
    module.reset_classifier(3)
    fused = archdsl.fuse(module)
    assert fused.num_classes == 3
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        torch.testing.assert_close(fused(images), module.eval()(images), rtol=1e-4, atol=1e-5)


def test_only_backbones_are_fused() -> None:
    with pytest.raises(TypeError, match="not Linear"):
        archdsl.fuse(torch.nn.Linear(2, 2))  # type: ignore[arg-type]


def test_weights_of_either_form_load_into_the_fused_module() -> None:
    module = _trained()
    spec = archdsl.loads(BRANCHED)
    want = archdsl.fuse(module).state_dict()
    for weights in (module, module.state_dict(), want, {"model": {f"module.{k}": v for k, v in module.state_dict().items()}}):
        found = archdsl.build(spec, weights=weights, fuse=True).state_dict()
        assert list(found) == list(want)
        assert all(torch.equal(tensor, want[name]) for name, tensor in found.items())


def test_other_classes_are_left_out_of_weights_that_are_folded() -> None:
    module = _trained()
    with pytest.warns(UserWarning, match="left out") as warned:
        found = archdsl.build(archdsl.loads(BRANCHED), weights=module, classes=4, fuse=True, seed=7).state_dict()
    assert len(warned) == 1
    initial = archdsl.build(archdsl.loads(BRANCHED), classes=4, fuse=True, seed=7).state_dict()
    want = archdsl.fuse(module).state_dict()
    for name, tensor in found.items():
        expected = initial if name.startswith("head.") else want
        assert torch.equal(tensor, expected[name]), name


def test_weights_that_fit_neither_form() -> None:
    spec = archdsl.loads(BRANCHED)
    for weights in (_trained().state_dict(), archdsl.fuse(_trained()).state_dict()):
        lost = next(name for name in weights if name.endswith("lk_origin.weight"))
        del weights[lost]
        with pytest.raises(SpecError) as caught:
            archdsl.build(spec, weights=weights, fuse=True)
        (found,) = caught.value.diagnostics
        assert found.slug == "weights-mismatch"
        assert any(note.message == f"1 missing: {lost}" for note in found.notes)
    # weights of the deploy form do not unfold
    with pytest.raises(SpecError):
        archdsl.build(spec, weights=archdsl.fuse(_trained()))


def test_a_loaded_spec_stays_fused() -> None:
    spec = archdsl.loads(BRANCHED, fuse=True)
    counted = archdsl.count(archdsl.loads(BRANCHED), fuse=True)
    assert (spec.fuse, spec.params, spec.flops) == (True, counted.params, counted.flops)
    assert counted.comparison.equal
    wider = spec.overridden(set={"s1.depth": 3})
    assert wider.fuse
    assert wider.params > spec.params
    assert wider.hash != archdsl.loads(BRANCHED, set={"s1.depth": 3}).hash
    assert sum(p.numel() for p in archdsl.build(spec).parameters()) == spec.params


def test_maps_of_stages_in_the_deploy_form() -> None:
    module = _trained()
    spec = archdsl.loads(BRANCHED)
    plain = archdsl.build(spec, weights=module, features=["s1", "s2"])
    fused = archdsl.build(spec, weights=module, features=["s1", "s2"], fuse=True)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        for found, expected in zip(fused(images), plain(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_build_of_the_deploy_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "branched.arch"
    spec.write_text(BRANCHED)
    weights = tmp_path / "trained.pt"
    module = _trained()
    torch.save(module.state_dict(), weights)
    assert main(["build", str(spec), "--fuse", "--weights", str(weights), "-o", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["fuse"] is True
    assert report["counts"]["params"] == archdsl.load(spec, fuse=True).params
    built = archdsl.load_build(tmp_path / "out")
    want = archdsl.fuse(module).state_dict()
    assert all(torch.equal(tensor, want[name]) for name, tensor in built.state_dict().items())
    capsys.readouterr()


def test_count_of_the_deploy_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "branched.arch"
    spec.write_text(BRANCHED)
    assert main(["count", str(spec), "--fuse", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    counted = archdsl.count(spec, fuse=True)
    assert (told["fuse"], told["params"], told["flops"]) == (True, counted.params, counted.flops_fvcore)
    assert main(["count", str(spec), "--fuse"]) == 0
    assert "fused" in capsys.readouterr().out


def test_weights_of_the_deploy_form_of_a_spec_that_is_not_packaged() -> None:
    spec = archdsl.loads(BRANCHED)
    with pytest.raises(SpecError) as caught:
        archdsl.build(spec, weights=archdsl.build(spec, fuse=True))
    (found,) = caught.value.diagnostics
    assert found.message.endswith("they are those of `branched` in its deploy form, in archdsl's layout")
    assert found.help == "with `--fuse` (in Python `fuse=True`) they are loaded into that form"


@pytest.mark.parametrize("call", [["build", "-o", "out"], ["count"], ["verify", "--counts"]], ids=lambda call: call[0])
def test_a_network_without_branches_is_not_called_fused(
    call: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plain.arch").write_text(
        "arch plain { input = 3x8x8, classes = 2, layout { then gelu }, stage s1 { dim = 3, depth = 1 }, "
        "head = mean -> linear(classes) }"
    )
    assert main([*call, "plain.arch", "--fuse"]) == 0
    shown, said = capsys.readouterr()
    assert "`plain` has no branches to merge: `--fuse` leaves it as it is\n" in said
    assert "fused" not in shown
    if call[0] == "build":
        assert json.loads(Path("out/report.json").read_text())["fuse"] is False


@pytest.mark.parametrize(
    ("spec", "help"),
    [
        ("@overlock_xt", "with `--fuse` (in Python `fuse=True`) they are loaded into that form"),
        ("@care_s0", "give the weights of `care_s0`, or take `@overlock_xt` with `--fuse`"),
    ],
)
def test_weights_of_the_deploy_form_are_told_as_such(spec: str, help: str) -> None:
    deployed = archdsl.build("@overlock_xt", fuse=True)
    with pytest.raises(SpecError) as caught:
        archdsl.build(spec, weights=deployed)
    (found,) = caught.value.diagnostics
    assert found.message.endswith("they are those of `overlock_xt` in its deploy form, in archdsl's layout")
    assert found.help == help
