"""`archdsl build` from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import archdsl
from archdsl.api import Spec
from archdsl.cli.main import main
from archdsl.lowering.dispatch import sites
from archdsl.lowering.export import images, relative_difference

SPEC = """\
arch tiny {
  input   = 3x8x8
  classes = 2
  layout { residual layernorm -> token }
  stem = conv(4x4, out = 4, stride = 4)
  stage s1 { dim = 4, depth = 1, token = attention(heads = 2) }
  head = mean -> linear(classes)
}
"""
ROUTED = SPEC.replace("attention(heads = 2)", "routing(topk = 1, regions = 2x2, head_dim = 4)")
# the package cannot be imported, wherever it is
ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] != "archdsl", name

sys.meta_path.insert(0, Refuse())
import torch
program = torch.export.load(sys.argv[1]).module()
for batch in (1, 3):
    torch.save(program(torch.load(f"x{batch}.pt")), f"y{batch}.pt")
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPEC)


@pytest.mark.slow
def test_the_program_of_biformer_t_runs_where_there_is_torch_alone() -> None:
    assert main(["build", "@biformer_t", "-o", "out", "--seed", "3"]) == 0
    module = archdsl.load_build("out")
    for batch in (1, 3):
        torch.save(images(module, batch, seed=batch), f"x{batch}.pt")
    subprocess.run([sys.executable, "-I", "-c", ALONE, "out/program.pt2"], check=True)
    with torch.no_grad():
        for batch in (1, 3):
            want = module(images(module, batch, seed=batch))
            assert want.shape == (batch, 1000)
            assert relative_difference(want, torch.load(f"y{batch}.pt")) < 1e-4


def test_compiling_without_a_compiler_is_refused(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path("nothing")))
    monkeypatch.delenv("CXX", raising=False)
    assert main(["build", "tiny.arch", "--compile"]) == 2
    said = capsys.readouterr().err
    assert "error[compiler-missing]" in said
    assert "install g++ or clang++" in said
    assert sorted(path.name for path in Path().iterdir()) == ["tiny.arch"]


@pytest.mark.parametrize("text", [SPEC.replace("heads = 2", "heads = 1"), "arch tiny {"])
def test_a_written_spec_that_means_another_network_is_a_bug(
    text: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Spec, "canonical", text)
    assert main(["build", "tiny.arch"]) == 3
    assert "your spec is not to blame" in capsys.readouterr().err
    (report,) = Path().glob("archdsl-report-*.txt")
    assert "the spec, written out in full, " in report.read_text()
    assert not Path("build").exists()


def _routed(*options: str) -> int:
    Path("routed.arch").write_text(ROUTED.replace("arch tiny", "arch routed"))
    return main(["build", "routed.arch", *options])


def test_why_lists_what_runs_where_and_writes_nothing(capsys: Captured) -> None:
    assert _routed("--why", "-v") == 0
    shown, said = capsys.readouterr()
    header, _, row, _, *others = shown.splitlines()
    assert header.split() == ["site", "component", "CPU", "CUDA"]
    assert row.split("  ")[0] == "s1.0 token"
    assert row.split()[2] == "routing"
    assert "reference: the kernel is for CUDA" in row
    assert others == [
        "conv       1 site  no kernel yet: the reference",
        "layernorm  1 site  no kernel yet: the reference",
        "mean       1 site  no kernel yet: the reference",
        "linear     1 site  no kernel yet: the reference",
    ]
    assert "CUDA is" in said
    assert not Path("build").exists()


def test_why_is_a_document_too(capsys: Captured) -> None:
    assert _routed("--why", "--no-kernels", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["arch"], found["dtype"]) == ("routed", "float32")
    (entry,) = (entry for entry in found["sites"] if entry["component"] == "routing")
    off = {"implementation": "reference", "reason": "kernels are turned off"}
    assert entry == {"path": "stages.s1.0.token", "component": "routing", "count": 1, "cpu": off, "cuda": off}


def test_a_spec_without_kernels_has_the_short_list_only(capsys: Captured) -> None:
    assert main(["build", "tiny.arch", "--why"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == "attention  1 site  no kernel yet: the reference"


@pytest.mark.parametrize("option", [["-o", "out"], ["--kernels"], ["--compile"], ["--weights", "x.pth"]])
def test_why_goes_with_nothing_that_builds(option: list[str], capsys: Captured) -> None:
    assert _routed("--why", *option) == 2
    assert "`--why` and `--" in capsys.readouterr().err
    assert not Path("out").exists()


def test_kernels_and_no_kernels_exclude_each_other(capsys: Captured) -> None:
    assert _routed("--kernels", "--no-kernels") == 2
    assert "`--kernels` and `--no-kernels` exclude each other" in capsys.readouterr().err


def test_kernels_that_are_turned_off_are_not_exported(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.kernels.choice.OFF", "off")
    assert _routed("--kernels") == 2
    assert "`--kernels` and `ARCHDSL_KERNELS=off` exclude each other" in capsys.readouterr().err
    assert not Path("build").exists()


def test_a_build_with_operators_says_what_it_needs(capsys: Captured) -> None:
    assert _routed("--kernels") == 0
    assert "needs   archdsl, to load the program" in capsys.readouterr().err
    report = json.loads(Path("build/routed/report.json").read_text())
    assert report["operators"] == ["archdsl::routing_attention"]
    assert report["kernels"] is True
    code = Path("build/routed/README.md").read_text().partition("```python\n")[2].partition("```")[0]
    code += "\nassert logits.shape == (1, 2)"
    subprocess.run([sys.executable, "-c", code], cwd="build/routed", check=True)
    alone = "import torch; torch.export.load('build/routed/program.pt2')"
    told = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert "failed to resolve torch.ops.archdsl.routing_attention" in told.stderr
    module, program = archdsl.load_build("build/routed"), archdsl.load_program("build/routed/program.pt2")
    assert {site.implementation for site in sites(module, "cuda") if site.kernelled} == {"kernel"}
    with torch.no_grad():
        torch.testing.assert_close(program(images(module, 3)), module(images(module, 3)))


def test_a_build_without_kernels_stays_so(capsys: Captured) -> None:
    assert _routed("--no-kernels", "--json") == 0
    report = json.loads(capsys.readouterr().out)["report"]
    assert (report["operators"], report["kernels"]) == ([], False)
    assert {site.implementation for site in sites(archdsl.load_build("build/routed"), "cuda")} == {"reference"}


def test_operators_are_asked_for_in_vain(capsys: Captured) -> None:
    assert main(["build", "tiny.arch", "--kernels"]) == 0
    assert "has no component that a kernel takes" in capsys.readouterr().err
    assert json.loads(Path("build/tiny/report.json").read_text())["operators"] == []
    assert "Loaded by torch alone" in Path("build/tiny/README.md").read_text()
