"""`archdsl weights`, and weights of `archdsl build`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import archdsl
from archdsl.checkpoints import packaged_layouts
from archdsl.cli.main import main
from archdsl.lowering.weights import official_state
from tests.lowering import tables

SPEC = tables.text("3x8x8", classes=2)
TO_OWN = ["weights", "tiny.arch", "-i", "tiny.pth", "-o", "own.safetensors", "--layout", "own"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)
    Path("tiny.keys.yaml").write_text(tables.KEYS)
    state = official_state(archdsl.build("tiny.arch", seed=3).state_dict(), Path("tiny.keys.yaml"))
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, "tiny.pth")
    return state


def test_there_and_back(official: dict[str, torch.Tensor], capsys: Captured) -> None:
    assert main(TO_OWN) == 0
    assert capsys.readouterr() == (
        "own.safetensors\n",
        f"{len(official)} tensors read in the official layout, {len(official)} written in archdsl's own layout\n",
    )
    own = load_file("own.safetensors")
    assert own.keys() == archdsl.build("tiny.arch").state_dict().keys()
    back = ["weights", "tiny.arch", "-i", "own.safetensors", "-o", "back.pth.tar", "--layout", "official", "--json"]
    assert main(back) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "version": 1,
        "output": "back.pth.tar",
        "read": "own",
        "written": "official",
        "tensors_read": len(official),
        "tensors_written": len(official),
        "warnings": [],
    }
    again = torch.load("back.pth.tar", weights_only=True)
    assert again.keys() == official.keys()
    assert all(torch.equal(again[name], tensor) and again[name].shape == tensor.shape for name, tensor in official.items())


def test_both_layouts_tell_their_own_number_of_tensors(official: dict[str, torch.Tensor], capsys: Captured) -> None:
    weight, bias = (official.pop(f"blocks.0.attn.qkv.{name}") for name in ("weight", "bias"))
    for at, part in enumerate("qkv"):
        official |= {f"blocks.0.{part}.weight": weight.chunk(3)[at], f"blocks.0.{part}.bias": bias.chunk(3)[at]}
    torch.save({**official, "seen": torch.zeros(())}, "tiny.pth")
    pieces = "".join(f"  blocks.{{i}}.{part}: stages.s1.{{i}}.token.qkv[{at}/3]\n" for at, part in enumerate("qkv"))
    proj = "  blocks.{i}.attn.proj: stages.s1.{i}.token.proj\n"
    whole = "  blocks.{i}.attn: stages.s1.{i}.token\n"
    Path("tiny.keys.yaml").write_text(tables.KEYS.replace(whole, pieces + proj) + "ignore:\n  - seen\n")
    assert main(TO_OWN) == 0
    own = len(load_file("own.safetensors"))
    assert own == len(official) - 4
    said = f"{own + 4} tensors read in the official layout, {own} written in archdsl's own layout\n"
    assert capsys.readouterr().err == said


def test_a_build_says_which_weights_it_has(official: dict[str, torch.Tensor], capsys: Captured) -> None:
    assert main(["build", "tiny.arch", "--weights", "tiny.pth", "-o", "out"]) == 0
    assert f"weights tiny.pth, official layout, {len(official)} tensors" in capsys.readouterr().err.splitlines()
    report = json.loads(Path("out/report.json").read_text())
    digest = hashlib.sha256(Path("tiny.pth").read_bytes()).hexdigest()
    assert (report["weights"], report["weights_layout"], report["weights_sha256"]) == ("tiny.pth", "official", digest)
    loaded, expected = archdsl.load_build("out"), archdsl.build("tiny.arch", seed=3)
    assert all(torch.equal(tensor, expected.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    # the same file again, in the other layout
    assert main(["build", "tiny.arch", "--weights", "out/weights.safetensors", "-o", "again", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert json.loads(Path("again/report.json").read_text())["weights_layout"] == "own"
    assert main(["build", "tiny.arch", "-o", "bare"]) == 0
    assert "weights" not in capsys.readouterr().err
    report = json.loads(Path("bare/report.json").read_text())
    assert (report["weights"], report["weights_layout"], report["weights_sha256"]) == (None, None, None)


def test_what_is_there_is_replaced_only_by_force(capsys: Captured) -> None:
    Path("own.safetensors").write_text("mine")
    assert main(TO_OWN) == 2
    assert "`own.safetensors` is there already\nhelp: `--force` replaces it" in capsys.readouterr().err
    assert Path("own.safetensors").read_text() == "mine"
    assert main([*TO_OWN, "--force"]) == 0
    assert load_file("own.safetensors")
    # a failed conversion leaves what is there
    before = Path("own.safetensors").read_bytes()
    save_file({"x": torch.zeros(1)}, "other.safetensors")
    assert main([*TO_OWN[:3], "other.safetensors", *TO_OWN[4:], "--force"]) == 1
    assert Path("own.safetensors").read_bytes() == before
    assert sorted(path.name for path in Path().glob(".*")) == []


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"-o": "own.bin"}, 2, "`own.bin` does not say how to write weights\nhelp: let it end in .safetensors"),
        ({"-o": "."}, 2, "does not say how to write weights"),
        ({"-o": "none/own.pth"}, 2, "`none/own.pth` cannot be written: no such file or directory"),
        ({"-i": "none.pth"}, 2, "error[unreadable-file]: `none.pth` cannot be read: no such file or directory"),
        ({"-i": "tiny.arch"}, 1, "error[unreadable-weights]: `tiny.arch` is no checkpoint"),
        ({"--layout": "mine"}, 2, "`mine` is none of official, own"),
    ],
)
def test_what_cannot_be_done_is_told(change: dict[str, str], code: int, said: str, capsys: Captured) -> None:
    words = [change.get(TO_OWN[at - 1], word) for at, word in enumerate(TO_OWN)]
    assert main(words) == code
    assert said in capsys.readouterr().err


def test_the_official_layout_needs_a_key_map(capsys: Captured) -> None:
    main(TO_OWN)
    Path("tiny.keys.yaml").unlink()
    capsys.readouterr()
    assert main(["weights", "tiny.arch", "-i", "own.safetensors", "-o", "x.pth", "--layout", "official"]) == 2
    said = capsys.readouterr().err
    assert "the official layout of `tiny` is not known" in said
    assert "`tiny.keys.yaml`" in said
    assert main(["weights", "tiny.arch", "-i", "own.safetensors", "-o", "x.pth", "--layout", "own"]) == 0


def test_pickles_that_would_run_code_are_refused(capsys: Captured) -> None:
    class Danger:
        def __reduce__(self) -> tuple:
            return Path.touch, (Path("touched"),)

    torch.save({"model": Danger()}, "tiny.pth")
    assert main(TO_OWN) == 1
    assert "error[unreadable-weights]: `tiny.pth` holds more than tensors" in capsys.readouterr().err
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--classes", "7"], "left out: `head.weight`, `head.bias`; the weights are for 2 classes, not 7"),
        (["--set", "input=1x8x8"], "left out: `patch.weight`, `patch.bias`; the weights are for 3 channels, not 1"),
        (["--at", "16x24", "--resize"], "`pos_embed` is resized from 2x2 to 4x6, bicubic"),
    ],
)
def test_what_is_otherwise_is_one_line(words: list[str], said: str, capsys: Captured) -> None:
    assert main([*TO_OWN, *words]) == 0
    assert capsys.readouterr().err.splitlines()[0].startswith(f"warning: {said}")
    overrides = dict(word.split("=") for word in words if "=" in word)
    at = "16x24" if "--at" in words else None
    archdsl.build("tiny.arch", classes=7 if "--classes" in words else None, set=overrides, at=at, weights="own.safetensors")
    assert main(["build", "tiny.arch", "--weights", "tiny.pth", *words]) == 0
    assert f"warning: {said}" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["classes = 7", "input = 1x8x8"])
def test_what_a_spec_writes_over_its_base_is_asked_for(change: str, capsys: Captured) -> None:
    Path("mine.arch").write_text(f'import "tiny.arch" (tiny)\narch mine extends tiny {{ {change} }}\n')
    Path("again.arch").write_text('import "mine.arch" (mine)\narch again extends mine { drop_path = 0.1 }\n')
    for spec in ("mine.arch", "again.arch"):
        assert main(["weights", spec, *TO_OWN[2:], "--force"]) == 0
        assert capsys.readouterr().err.startswith("warning: left out: `")
    # what stands by itself has asked for nothing
    Path("tiny.arch").write_text(SPEC.replace("classes = 2", "classes = 7"))
    assert main([*TO_OWN, "--force"]) == 1
    assert "they are for 2 classes, the module is for 7" in capsys.readouterr().err


def test_without_resize_a_table_of_another_size_is_an_error(capsys: Captured) -> None:
    assert main([*TO_OWN, "--at", "16x24"]) == 1
    said = capsys.readouterr().err
    assert "their position table is for 2x2, here it is for 4x6" in said
    assert "help: `--resize`" in said


def test_weights_of_another_arch_are_named(capsys: Captured) -> None:
    shapes = next(known.shapes for known in packaged_layouts("davit_tiny") if known.layout == "official")
    torch.save({name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}, "davit.pth")
    assert main(["weights", "@biformer_t", "-i", "davit.pth", "-o", "x.pth", "--layout", "own"]) == 1
    said = capsys.readouterr().err
    assert "the weights do not fit `biformer_t`: they are those of `davit_tiny`, in the official layout" in said
    assert "256 missing: downsample_layers.0.0.weight" in said
    assert "help: give the weights of `biformer_t`, or take `@davit_tiny`" in said


@pytest.mark.slow
def test_the_weights_of_a_trained_module_are_written_in_the_deploy_form(capsys: Captured) -> None:
    trained = archdsl.build("@overlock_xt", set={"classes": 3}, seed=1)
    torch.save(trained.state_dict(), "trained.pth")
    call = ["weights", "@overlock_xt", "--classes", "3", "--fuse", "-i", "trained.pth", "-o", "deploy.pth"]
    assert main([*call, "--layout", "official"]) == 0
    said = f"{len(trained.state_dict())} tensors read in archdsl's own layout, 932 written in the official layout"
    assert said in capsys.readouterr().err
    names = torch.load("deploy.pth", weights_only=True).keys()
    assert "blocks1.0.proj.1.lk_origin.bias" in names
    assert "blocks1.0.proj.1.origin_bn.weight" not in names
    deployed = archdsl.build("@overlock_xt", classes=3, weights="deploy.pth", fuse=True)
    folded = archdsl.build("@overlock_xt", classes=3, weights=trained, fuse=True)
    assert all(torch.equal(tensor, folded.state_dict()[key]) for key, tensor in deployed.state_dict().items())
